import { beforeEach, expect, test } from 'vitest';
import { asUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { readRuleErrors } from '../../support/rules.ts';
import { useExample } from '../../support/use-example.ts';

const { db, users, heard } = useExample('events', ['olga', 'hugo', 'rita']);

// Hugo holds two valid tickets, Rita one that was returned.
let event: string;
beforeEach(async () => {
  const { sql } = db();
  const { olga, hugo, rita } = users();
  const [row] = await asUser(
    sql,
    olga,
    (t) => t`
      insert into public.events (title, venue, starts_at) values ('Concert', 'Town hall', '2030-06-01 18:00+00') returning id`,
  );
  event = row?.id as string;
  await sql`
    insert into public.tickets (event_id, holder_id, status)
    values (${event}, ${hugo}, 'valid'), (${event}, ${hugo}, 'valid'), (${event}, ${rita}, 'returned')`;
});

async function change(set: string, by = users().olga): Promise<number> {
  const { count } = await asUser(db().sql, by, (t) =>
    t.unsafe(`update public.events set ${set} where id = ${event}`),
  );
  return count;
}

async function publish(): Promise<void> {
  await change(`status = 'published'`);
  await db().sql`delete from public.push_notifications`;
}

test('a new event is news for the topic, once, when it is published', async () => {
  await change(`venue = 'Castle'`);
  expect(await heard()).toEqual({});
  await change(`status = 'published'`);
  await change(`title = 'Big concert'`);
  expect(await heard()).toEqual({ '#events': ['New: Concert / 1 June, 20:00 at Castle'] });
  await asUser(
    db().sql,
    users().olga,
    (t) => t`
      insert into public.events (title, venue, starts_at, timezone, status)
      values ('Talk', 'Library', '2030-06-02 18:00+00', 'Europe/London', 'published')`,
  );
  expect((await heard())['#events']?.[1]).toBe('New: Talk / 2 June, 19:00 at Library');
});

test.each([
  [`venue = 'Castle'`, 'Changed: Concert / 1 June, 20:00 at Castle (was Town hall)'],
  [`starts_at = '2030-06-02 19:00+00'`, 'Changed: Concert / 2 June, 21:00 (was 1 June, 20:00) at Town hall'],
  [`status = 'cancelled'`, 'Cancelled: Concert / Your ticket will be taken back.'],
])('%s: holders of a valid ticket are told of it, once, and no other user is', async (set, message) => {
  await publish();
  await change(set);
  expect(await heard()).toEqual({ hugo: [message] });
  expect(await readRuleErrors(db().sql)).toEqual([]);
});

test('it takes place after all', async () => {
  await publish();
  await change(`status = 'cancelled'`);
  await change(`venue = 'Castle'`);
  await change(`status = 'published'`);
  expect(await heard()).toEqual({
    hugo: [
      'Cancelled: Concert / Your ticket will be taken back.',
      'Takes place after all: Concert / 1 June, 20:00 at Castle',
    ],
  });
});

test('only its organiser changes it, and no user makes a ticket', async () => {
  const { sql } = db();
  await publish();
  expect(await change(`status = 'cancelled'`, users().hugo)).toBe(0);
  const forged = asUser(
    sql,
    users().rita,
    (t) => t`insert into public.tickets (event_id, holder_id) values (${event}, ${users().rita})`,
  );
  expect((await refusalOf(forged)).sqlstate).toBe('42501');
  expect(await heard()).toEqual({});
});
