import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { readRuleErrors, readTold, watch } from '../../support/rules.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner, other } = useDeals();

async function toldAfterInsert(team: (string | null)[] | null = null, ownerId: string | null = owner()) {
  const { sql } = db();
  await sql`insert into public.deals (id, owner_id, team, title) values (1, ${ownerId}, ${team}, 'one')`;
  expect(await readRuleErrors(sql)).toEqual([]);
  return (await readTold(sql)).map(({ user_id }) => user_id).sort();
}

test('one user, with a delivery for each of their devices', async () => {
  const { sql } = db();
  await subscribe(sql, owner());
  await subscribe(sql, owner());
  await subscribe(sql, other());
  await watch(sql, { recipients: 'new.owner_id' });
  expect(await toldAfterInsert()).toEqual([owner()]);
  expect(await sql`select from push.deliveries`).toHaveLength(2);
});

test('no user, where it is null', async () => {
  await watch(db().sql, { recipients: 'new.owner_id' });
  expect(await toldAfterInsert(null, null)).toEqual([]);
});

test('an array', async () => {
  await watch(db().sql, { recipients: 'new.team' });
  expect(await toldAfterInsert([owner(), other()])).toEqual([owner(), other()].sort());
});

test('an array that is null, or empty, or has nulls in it', async () => {
  const { sql } = db();
  await watch(sql, { recipients: 'new.team' });
  expect(await toldAfterInsert(null)).toEqual([]);
  await sql`truncate public.deals`;
  expect(await toldAfterInsert([])).toEqual([]);
  await sql`truncate public.deals`;
  expect(await toldAfterInsert([null, owner(), null])).toEqual([owner()]);
});

test('each once, however often they are named', async () => {
  await watch(db().sql, { recipients: 'new.team || new.owner_id' });
  expect(await toldAfterInsert([owner(), other(), owner()])).toEqual([owner(), other()].sort());
});

test('array[…]', async () => {
  await watch(db().sql, { recipients: 'array[new.owner_id, old.owner_id]' });
  expect(await toldAfterInsert()).toEqual([owner()]);
});

test.each([
  ['a query', 'select m.user_id from public.members m where m.deal_id = new.id'],
  [
    'a query in upper case over several lines',
    '\n  SELECT m.user_id\n  FROM public.members AS m\n  WHERE m.deal_id = new.id\n',
  ],
  [
    'a query with a with clause',
    'with them as (select * from public.members) select user_id from them where deal_id = new.id',
  ],
  [
    'a query in brackets with array',
    'array(select m.user_id from public.members m where m.deal_id = new.id)',
  ],
  [
    'a query that ends in a comment',
    'select m.user_id from public.members m where m.deal_id = new.id -- the members',
  ],
  [
    'a query with a union',
    'select m.user_id from public.members m where m.deal_id = new.id union all select null',
  ],
  [
    'values',
    `values ((select min(m.user_id::text)::uuid from public.members m)), ((select max(m.user_id::text)::uuid from public.members m))`,
  ],
])('%s', async (_what, recipients) => {
  const { sql } = db();
  await sql`create table public.members (deal_id integer, user_id uuid)`;
  try {
    await sql`insert into public.members values (1, ${owner()}), (1, ${other()}), (1, ${owner()}), (1, null)`;
    const stranger = await createUser(sql);
    if (!recipients.startsWith('values')) await sql`insert into public.members values (2, ${stranger.id})`;
    await watch(sql, { recipients });
    expect(await toldAfterInsert()).toEqual([owner(), other()].sort());
  } finally {
    await sql`select push.unwatch('deal_rule')`;
    await sql`drop table public.members`;
  }
});

test('a user who is not there is passed over, and the others are told', async () => {
  await watch(db().sql, { recipients: 'new.team' });
  expect(await toldAfterInsert([randomUUID(), owner()])).toEqual([owner()]);
});

test('everybody but the one who wrote', async () => {
  const { sql } = db();
  await watch(sql, {
    recipients: 'array(select u from unnest(new.team) as u where u is distinct from auth.uid())',
  });
  await sql.begin(async (t) => {
    await t`select set_config('request.jwt.claims', ${JSON.stringify({ sub: owner() })}, true)`;
    await t`insert into public.deals (id, team) values (1, ${[owner(), other()]})`;
  });
  expect((await readTold(sql)).map(({ user_id }) => user_id)).toEqual([other()]);
});

test('the user a deleted row belonged to, unless they are deleted with it', async () => {
  const { sql } = db();
  await sql`alter table public.deals add constraint deals_owner foreign key (owner_id) references auth.users (id) on delete cascade`;
  try {
    await watch(sql, { events: ['delete'], recipients: 'array[old.owner_id, old.team[1]]' });
    await sql`insert into public.deals (id, owner_id, team) values (1, ${owner()}, ${[other()]})`;
    await sql`delete from auth.users where id = ${owner()}`;
    expect(await readRuleErrors(sql)).toEqual([]);
    expect((await readTold(sql)).map(({ user_id }) => user_id)).toEqual([other()]);
  } finally {
    await sql`alter table public.deals drop constraint deals_owner`;
  }
});
