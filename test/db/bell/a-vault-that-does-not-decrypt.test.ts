import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { BELL_SECRET, connectBell, countRings, openAlarms } from '../../support/bell.ts';
import { asService, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify } from '../../support/queue.ts';
import { clearQuotes, defineSource, watchSymbols } from '../../support/quotes.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQuotes(sql);
  await clearQueue(sql);
  await connectBell(sql);
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
});

/** As in a restored project, whose Vault has another key. */
async function lockVault(names = ['push_project_url', 'push_bell_secret']): Promise<void> {
  const admin = postgres(db().superuserUrl, { max: 1 });
  await admin`update vault.secrets set secret = '*' where name = any (${names})`;
  await admin.end();
}

async function expectTheCure(): Promise<void> {
  expect(await openAlarms(db().sql)).toEqual(['vault_unreadable']);
  const [alarm] = await db().sql`select message from push.alarms where code = 'vault_unreadable'`;
  expect(alarm?.message).toMatch(/Run: npx supapush connect/);
  expect(alarm?.message).not.toContain(BELL_SECRET);
}

test.each([
  ['both entries', undefined],
  ['the URL', ['push_project_url']],
  ['the secret', ['push_bell_secret']],
])('%s: what is written goes through, and the alarm names the cure', async (_, names) => {
  const { sql } = db();
  await lockVault(names);
  await notify(sql, user);
  const [row] = await sql`select count(*)::int as n from push.deliveries`;
  expect([row?.n, await countRings(sql)]).toEqual([1, 0]);
  await expectTheCure();
});

test('the tick does everything else', async () => {
  const { sql } = db();
  await lockVault();
  await sql`
    insert into public.push_notifications (user_id, title, send_at)
    values (${user}, 'Later', now() + interval '1 hour')`;
  const [row] = await sql`select push.tick(now() + interval '2 hours') as done`;
  expect(row?.done).toMatchObject({ released: 1, rung: false });
  await expectTheCure();
});

test('the job that rings for quotes goes on', async () => {
  const { sql } = db();
  await defineSource(sql, 'main');
  await watchSymbols(sql, ['DAX']);
  await lockVault();
  const [row] = await sql`select push.ring_for_quotes() as rung`;
  expect(row?.rung).toBe(false);
  const [source] = await sql`select rung from push.quote_sources`;
  expect(source?.rung, 'a call that was not made does not count').toBe(0);
  await expectTheCure();
});

test('a dispatcher that was rung before can claim, and leave', async () => {
  const { sql } = db();
  await notify(sql, user);
  await lockVault();
  expect(await claim(sql, new Date())).toHaveLength(1);
  await notify(sql, user, { title: 'Another' });
  await sql`delete from push.dispatchers`;
  const [row] = await asService(sql, (t) => t`select public.push_leave(${randomUUID()}, true) as left`);
  expect(row?.left).toBe(true);
  await expectTheCure();
});

test.each([
  ['does not decrypt', () => lockVault(), 'vault_unreadable'],
  ['is empty', () => db().sql`delete from vault.secrets`, 'bell_not_connected'],
])('health says that it %s, before and after the first message', async (_, lose, code) => {
  const { sql } = db();
  await lose();
  const found = async () => {
    const [row] = await asService(sql, (t) => t`select public.push_health() as health`);
    const reasons = row?.health.reasons as { code: string; message: string }[];
    return reasons.filter((reason) => reason.code !== 'tick_missing');
  };
  expect(await found()).toEqual([{ code, message: expect.stringMatching(/Run: npx supapush connect$/) }]);
  await notify(sql, user);
  expect((await found()).map((reason) => reason.code)).toEqual([code]);
});

test('connecting mends it', async () => {
  const { sql } = db();
  await lockVault();
  await notify(sql, user);
  await connectBell(sql);
  expect(await openAlarms(sql)).toEqual([]);
  await sql`select push.tick()`;
  expect(await countRings(sql)).toBe(1);
});

test('entries that come in another way end the alarm too, once a dispatcher has heard the bell', async () => {
  const { sql } = db();
  await lockVault();
  await notify(sql, user);
  await claim(sql, new Date());
  expect(await openAlarms(sql)).toEqual([]);
});

test('an entry of the project itself that does not decrypt stops nothing', async () => {
  const { sql } = db();
  await sql`select vault.create_secret('theirs', 'something_else')`;
  await lockVault(['something_else']);
  await notify(sql, user);
  expect([await countRings(sql), await openAlarms(sql)]).toEqual([1, []]);
});
