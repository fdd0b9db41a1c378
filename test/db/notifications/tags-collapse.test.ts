import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { claimOne, clearQueue, startOfClock } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

async function claimWith(values: { tag?: string; collapseKey?: string }) {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  await sql`
    select push.notify(${user.id}::uuid, 'Hello', p_collapse_key => ${values.collapseKey ?? null}, p_tag => ${values.tag ?? null})`;
  return await claimOne(sql, startOfClock());
}

test('a tag is for the device alone: a collapse key of each would cost messages at FCM, which keeps four', async () => {
  expect(await claimWith({ tag: 'deal:7' })).toMatchObject({ tag: 'deal:7', collapse_key: null });
});

test('a collapse key that is given stands', async () => {
  expect(await claimWith({ tag: 'deal:7', collapseKey: 'deals' })).toMatchObject({
    tag: 'deal:7',
    collapse_key: 'deals',
  });
});

test('without either there is neither', async () => {
  expect(await claimWith({})).toMatchObject({ tag: null, collapse_key: null });
});

test('a rule makes a tag of each row', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await sql`create table public.deals (id integer primary key, owner uuid)`;
  await sql`select push.watch('deal_made', 'public.deals', 'new.owner', $$ 'Deal' $$, p_tag => $$ 'deal:' || new.id $$)`;
  await sql`insert into public.deals values (7, ${user.id}), (8, ${user.id})`;
  const made = await sql`select tag, rule from public.push_notifications order by tag`;
  expect([...made]).toEqual([
    { tag: 'deal:7', rule: 'deal_made' },
    { tag: 'deal:8', rule: 'deal_made' },
  ]);
  expect(await sql`select from push.rule_errors`).toHaveLength(0);
});
