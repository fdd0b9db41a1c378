import { afterEach, beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { readRuleErrors, readTold, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner, other } = useDeals();

// What applications have: organisations with members, and events with tickets.
beforeEach(async () => {
  await db().sql.unsafe(`
    create table public.members (organisation integer, user_id uuid, role text);
    create table public.updates (id integer primary key, organisation integer, author_id uuid, line text);
    create table public.events (id integer primary key, venue text);
    create table public.tickets (event_id integer, holder_id uuid, status text, valid_until date);
    create function public.members_of(p_organisation integer) returns setof uuid language sql stable as $$
      select m.user_id from public.members as m where m.organisation = p_organisation
    $$;
    create function public.team_of(p_organisation integer) returns uuid[] language sql stable as $$
      select array_agg(m.user_id) from public.members as m where m.organisation = p_organisation
    $$`);
});
afterEach(async () => {
  const { sql } = db();
  await sql`select push.unwatch(name) from push.rules`;
  await sql`drop function public.members_of, public.team_of`;
  await sql`drop table public.members, public.updates, public.events, public.tickets`;
});

async function told(): Promise<[string, string][]> {
  const { sql } = db();
  expect(await readRuleErrors(sql)).toEqual([]);
  return (await readTold(sql)).map(({ title, user_id }) => [title, user_id]);
}
const sorted = (pairs: [string, string][]) =>
  pairs.toSorted((a, b) => a.join().localeCompare(b.join(), 'en'));

test.each([
  ['a query', 'select m.user_id from public.members as m where m.organisation = new.organisation'],
  [
    'a query for an array',
    'select array_agg(m.user_id) from public.members as m where m.organisation = new.organisation',
  ],
  ['a function that returns a set', 'public.members_of(new.organisation)'],
  ['a query on such a function', 'select public.members_of(new.organisation)'],
  ['a function that returns an array', 'public.team_of(new.organisation)'],
  ['an array of a query', 'array(select public.members_of(new.organisation))'],
  [
    'a query in brackets',
    '(select array_agg(m.user_id) from public.members as m where m.organisation = new.organisation)',
  ],
  ['a function that returns a set, with a comment', 'public.members_of(new.organisation) -- all of them'],
])('the members of an organisation, each once, by %s', async (_what, recipients) => {
  const { sql } = db();
  const third = (await createUser(sql)).id;
  await sql`
    insert into public.members values
      (1, ${owner()}, 'admin'), (1, ${owner()}, 'sales'), (1, ${other()}, 'sales'), (1, null, 'left'), (2, ${third}, 'admin')`;
  await watch(sql, { table: 'public.updates', recipients, title: 'new.line' });
  await sql`insert into public.updates values (1, 1, null, 'one'), (2, 2, null, 'two'), (3, 3, null, 'nobody'), (4, null, null, 'null')`;
  expect(sorted(await told())).toEqual(
    sorted([
      ['one', owner()],
      ['one', other()],
      ['two', third],
    ]),
  );
});

test('everybody in it but the author', async () => {
  const { sql } = db();
  await sql`insert into public.members values (1, ${owner()}, 'admin'), (1, ${other()}, 'sales')`;
  await watch(sql, {
    table: 'public.updates',
    recipients: `select m.user_id from public.members as m
      where m.organisation = new.organisation and m.user_id is distinct from new.author_id`,
    title: 'new.line',
  });
  await sql`insert into public.updates values (1, 1, ${owner()}, 'by the owner'), (2, 1, null, 'by nobody')`;
  expect(sorted(await told())).toEqual(
    sorted([
      ['by the owner', other()],
      ['by nobody', owner()],
      ['by nobody', other()],
    ]),
  );
});

test('those who hold a valid ticket of an event whose venue changes', async () => {
  const { sql } = db();
  const [late, refunded] = [(await createUser(sql)).id, (await createUser(sql)).id];
  await sql`insert into public.events values (1, 'Hall'), (2, 'Hall'), (3, 'Hall')`;
  await sql`
    insert into public.tickets values
      (1, ${owner()}, 'valid', null), (1, ${owner()}, 'valid', '2999-01-01'), (1, ${other()}, 'valid', '2999-01-01'),
      (1, ${late}, 'valid', '2000-01-01'), (1, ${refunded}, 'refunded', null), (2, ${refunded}, 'valid', null)`;
  await watch(sql, {
    table: 'public.events',
    events: ['update'],
    columns: ['venue'],
    recipients: `
      select t.holder_id from public.tickets as t
      where t.event_id = new.id and t.status = 'valid' and coalesce(t.valid_until, 'infinity') >= current_date`,
    title: `new.venue || ', not ' || old.venue`,
  });
  await sql`update public.events set venue = 'Arena' where id in (1, 3)`;
  expect(sorted(await told())).toEqual(
    sorted([
      ['Arena, not Hall', owner()],
      ['Arena, not Hall', other()],
    ]),
  );
});

test('the old owner and the new one, each told something else', async () => {
  const { sql } = db();
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  await watch(sql, { name: 'given', events: ['update'], columns: ['owner_id'], title: `'Yours now'` });
  await watch(sql, {
    name: 'taken',
    events: ['update'],
    columns: ['owner_id'],
    title: `'Gone'`,
    recipients: 'old.owner_id',
  });
  await sql`update public.deals set owner_id = ${other()}`;
  expect(await told()).toEqual([
    ['Gone', owner()],
    ['Yours now', other()],
  ]);
});
