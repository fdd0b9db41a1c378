import postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { BELL_SECRET, connectBell, countRings, openAlarms, PROJECT_URL } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify, plus } from '../../support/queue.ts';
import { endsOrWaits, withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';
import { heartbeat } from '../../support/workers.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`delete from push.workers`;
  await sql`delete from vault.secrets`;
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
});

const countDeliveries = async () => (await db().sql`select count(*)::int as n from push.deliveries`)[0]?.n;

async function readAlarm(code: string) {
  const [row] = await db().sql`select subject, message, resolved_at from push.alarms where code = ${code}`;
  return row;
}

async function asSuperuser(...statements: string[]): Promise<void> {
  const admin = postgres(db().superuserUrl, { max: 1, onnotice: () => {} });
  try {
    for (const statement of statements) await admin.unsafe(statement);
  } finally {
    await admin.end();
  }
}

test('without the Vault entries the write goes through, and an alarm says what to do', async () => {
  const { sql } = db();
  await notify(sql, user);
  expect(await countDeliveries()).toBe(1);
  expect(await countRings(sql)).toBe(0);
  expect(await openAlarms(sql)).toEqual(['bell_not_connected']);
  expect((await readAlarm('bell_not_connected'))?.message).toMatch(/connect/);
});

test.each(['push_project_url', 'push_bell_secret'])('without %s likewise', async (name) => {
  const { sql } = db();
  await connectBell(sql);
  await sql`delete from vault.secrets where name = ${name}`;
  await notify(sql, user);
  expect(await countDeliveries()).toBe(1);
  expect(await openAlarms(sql)).toEqual(['bell_not_connected']);
});

test('connecting ends that alarm, and the tick rings for what has waited', async () => {
  const { sql } = db();
  await notify(sql, user);
  await connectBell(sql);
  expect(await openAlarms(sql)).toEqual([]);
  await sql`select push.tick()`;
  expect(await countRings(sql)).toBe(1);
});

test('Vault entries that come in another way end that alarm too, once a dispatcher has heard the bell', async () => {
  const { sql } = db();
  await notify(sql, user);
  await sql`select vault.create_secret(${PROJECT_URL}, 'push_project_url'), vault.create_secret(${BELL_SECRET}, 'push_bell_secret')`;
  await sql`select push.tick()`;
  expect(await countRings(sql)).toBe(1);
  await claim(sql, new Date());
  expect(await openAlarms(sql)).toEqual([]);
});

test('a URL that pg_net refuses: the write goes through without waiting, and an alarm says why', async () => {
  const { sql } = db();
  await sql`select vault.create_secret('not a url', 'push_project_url'), vault.create_secret(${BELL_SECRET}, 'push_bell_secret')`;
  await notify(sql, user);
  expect(await countDeliveries()).toBe(1);
  expect(await openAlarms(sql)).toEqual(['bell_failed']);
  const alarm = await readAlarm('bell_failed');
  expect(alarm?.message).toMatch(/URL/);
  expect(alarm?.message).not.toContain(BELL_SECRET);
  expect(await sql`select from push.dispatchers`).toHaveLength(0);
});

test('once a dispatcher has heard it again, that alarm ends', async () => {
  const { sql } = db();
  await sql`select vault.create_secret('not a url', 'push_project_url'), vault.create_secret(${BELL_SECRET}, 'push_bell_secret')`;
  await notify(sql, user);
  await connectBell(sql);
  await sql`select push.tick()`;
  expect(await countRings(sql)).toBe(1);
  await claim(sql, new Date());
  expect(await openAlarms(sql)).toEqual([]);
});

test('a worker that claims has not heard it, and that alarm stays', async () => {
  const { sql } = db();
  await notify(sql, user);
  expect(await openAlarms(sql)).toEqual(['bell_not_connected']);
  const [call = ''] = (await heartbeat(sql, { look: true })).calls;
  await claim(sql, new Date(), { dispatcher: call });
  expect(await openAlarms(sql)).toEqual(['bell_not_connected']);
  await claim(sql, new Date());
  expect(await openAlarms(sql)).toEqual([]);
});

test('pg_net gone altogether: the write goes through', async () => {
  const { sql } = db();
  await connectBell(sql);
  await asSuperuser('alter schema net rename to net_away');
  try {
    await notify(sql, user);
    expect(await countDeliveries()).toBe(1);
    expect(await openAlarms(sql)).toEqual(['bell_failed']);
  } finally {
    await asSuperuser('alter schema net_away rename to net');
  }
});

test('the Vault out of reach: the write goes through', async () => {
  const { sql } = db();
  await connectBell(sql);
  await asSuperuser('alter schema vault rename to vault_away');
  try {
    await notify(sql, user);
    expect(await countDeliveries()).toBe(1);
    expect(await openAlarms(sql)).toEqual(['vault_unreadable']);
  } finally {
    await asSuperuser('alter schema vault_away rename to vault');
  }
});

test('an alarm of the same kind is one row that says since when', async () => {
  const { sql } = db();
  const start = new Date('2030-01-01T00:00:00Z');
  for (const seconds of [0, 10, 70, 300])
    await sql`select push.raise_alarm('a', 'b', 'c', ${plus(start, seconds)})`;
  const rows = await sql`select * from push.alarms`;
  expect([...rows]).toEqual([
    {
      code: 'a',
      subject: 'b',
      message: 'c',
      raised_at: start,
      last_seen_at: plus(start, 300),
      resolved_at: null,
    },
  ]);
  await sql`select push.resolve_alarm('a', 'b', ${plus(start, 400)})`;
  await sql`select push.raise_alarm('a', 'b', 'd', ${plus(start, 500)})`;
  const again = await sql`select message, raised_at, resolved_at from push.alarms`;
  expect([...again]).toEqual([{ message: 'd', raised_at: plus(start, 500), resolved_at: null }]);
});

test.each([
  ['the first time', undefined],
  ['when the alarm is an old one that both see again', '1 hour'],
])('writers who all find the bell unconnected do not wait for each other: %s', async (_when, age) => {
  const { sql, url } = db();
  if (age) await sql`select push.raise_alarm('bell_not_connected', '', 'old', now() - ${age}::interval)`;
  await withSessions(url, 2, async (first, second) => {
    if (!first || !second) throw new Error('two sessions');
    await first.sql`begin`;
    await notify(first.sql, user);
    const write = notify(second.sql, user);
    expect(await endsOrWaits(sql, second, write)).toBe('ends');
    await write;
    expect(await openAlarms(sql)).not.toContain('bell_failed');
    await first.sql`commit`;
  });
  expect(await countDeliveries()).toBe(2);
  expect(await openAlarms(sql)).toEqual(['bell_not_connected']);
});

test.each(['repeatable read', 'serializable'])(
  '%s: alarms that changed since break no write',
  async (level) => {
    const { sql, url } = db();
    const raiseBoth = async (ago: string) => {
      await sql`
      select push.raise_alarm(c.code, '', 'seen', clock_timestamp() - ${ago}::interval)
      from unnest('{bell_not_connected,bell_failed}'::text[]) as c (code)`;
    };
    await raiseBoth('2 hours');
    await withSessions(url, 1, async (app) => {
      if (!app) throw new Error('one session');
      await app.sql.unsafe(`begin isolation level ${level}`);
      await app.sql`select from push.alarms`;
      await raiseBoth('1 hour');
      await notify(app.sql, user);
      await app.sql`commit`;
    });
    expect(await countDeliveries()).toBe(1);
  },
);
