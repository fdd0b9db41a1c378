import { beforeEach, describe, expect, test } from 'vitest';
import { BELL_SECRET, countRings, openAlarms, PROJECT_URL } from '../../support/bell.ts';
import { fillQueue } from '../../support/pauses.ts';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify, plus, startOfClock } from '../../support/queue.ts';
import { deliveryStates } from '../../support/recipients.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const STAGING = 'https://tsrqponmlkjihgfedcba.supabase.co';
const DOMAIN = 'https://api.example.com';

const db = useDatabase();
let userId: string;
let now: Date;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`delete from push.project`;
  userId = (await createUser(sql)).id;
  await subscribe(sql, userId);
  now = startOfClock();
});

const connect = (url: string) => db().sql`select push.connect(${url}, ${BELL_SECRET})`;
const adopt = async (discardOlderThan: string | null = null, at = now) => {
  const [row] = await db().sql<{ url: string }[]>`select push.adopt(${discardOlderThan}, ${at}) as url`;
  return row?.url;
};
const claimed = async (at: Date, project: string | null) =>
  (await claim(db().sql, at, { project })).map(({ title }) => title);
const alarm = async () => {
  const [row] = await db().sql<{ message: string }[]>`
    select message from push.alarms where code = 'copied_project' and resolved_at is null`;
  return row?.message;
};
const forgetRings = async () => {
  await db().sql`delete from net.http_request_queue`;
  await db().sql`delete from push.dispatchers`;
};
const tick = async (at: Date) => {
  const [row] = await db().sql<{ result: { rung: boolean } }[]>`select push.tick(${at}) as result`;
  return row?.result.rung;
};

describe('a fresh project', () => {
  test.each([
    ['of the platform', PROJECT_URL, PROJECT_URL],
    ['with a domain of its own', DOMAIN, PROJECT_URL],
    ['that hosts itself', 'https://push.example.com', 'http://kong:8000'],
    ['on this machine', 'http://127.0.0.1:54321', 'http://kong:8000'],
    ['with an older function', PROJECT_URL, null],
  ])('%s needs no more than connect', async (_, url, functionUrl) => {
    await connect(url);
    await notify(db().sql, userId);
    expect(await claimed(now, functionUrl)).toEqual(['Hello']);
    expect(await openAlarms(db().sql)).toEqual([]);
  });

  test('may be connected again and again', async () => {
    await connect(PROJECT_URL);
    await notify(db().sql, userId);
    await connect(PROJECT_URL);
    expect(await claimed(now, PROJECT_URL)).toEqual(['Hello']);
  });
});

describe('a database that is connected to another project', () => {
  beforeEach(async () => {
    await connect(PROJECT_URL);
    await claimed(now, PROJECT_URL);
    await forgetRings();
    await notify(db().sql, userId, { title: 'Before' });
    await forgetRings();
    await connect(STAGING);
  });

  test('hands out nothing, whatever its functions say, and rings for no dispatcher', async () => {
    await notify(db().sql, userId, { title: 'Meanwhile' });
    for (const project of [STAGING, PROJECT_URL, 'http://kong:8000', null])
      expect(await claimed(plus(now, 1), project)).toEqual([]);
    await forgetRings();
    for (let seconds = 10; seconds <= 180; seconds += 10) expect(await tick(plus(now, seconds))).toBe(false);
    expect(await countRings(db().sql)).toBe(0);
  });

  test('says so at once, names both projects and what to do', async () => {
    const message = await alarm();
    for (const part of [PROJECT_URL, STAGING, '--adopt', 'push_subscriptions'])
      expect(message).toContain(part);
    const [row] = await db().sql`select public.push_health(${now}) as health`;
    expect(row?.health).toMatchObject({ healthy: false });
    expect(JSON.stringify(row?.health.reasons)).toContain('copied_project');
  });

  test('goes on once it is adopted, and rings', async () => {
    expect(await adopt()).toBe(STAGING);
    expect(await countRings(db().sql)).toBe(1);
    expect(await alarm()).toBeUndefined();
    expect(await claimed(plus(now, 1), STAGING)).toEqual(['Before']);
    // From now on it is the original that would be another project.
    await notify(db().sql, userId);
    expect(await claimed(plus(now, 2), PROJECT_URL)).toEqual([]);
  });

  test('goes on when it is connected to its own project again', async () => {
    await connect(PROJECT_URL);
    expect(await alarm()).toBeUndefined();
    expect(await claimed(plus(now, 1), PROJECT_URL)).toEqual(['Before']);
  });

  test('adopted, can discard what it brought along', async () => {
    const { sql } = db();
    await fillQueue(sql, userId, 100);
    await sql`update push.queue set due_at = due_at - interval '1 hour'`;
    await notify(sql, userId, { title: 'Fresh' });
    await adopt('10 minutes', plus(now, 1));
    expect(await claimed(plus(now, 2), STAGING)).toEqual(['Fresh']);
    expect(await deliveryStates(sql)).toEqual({ cancelled: 101, sending: 1 });
    const [row] = await sql`select reason, discarded::int from push.pauses`;
    expect(row).toEqual({ reason: `adopted as ${STAGING}`, discarded: 101 });
  });
});

describe('a database whose function says that it is of another project', () => {
  beforeEach(async () => {
    await connect(PROJECT_URL);
    await claimed(now, PROJECT_URL);
    await notify(db().sql, userId, { title: 'Before' });
    await forgetRings();
  });

  test.each([STAGING, DOMAIN, 'http://kong:8000'])(
    '%s gets nothing, and the alarm names it',
    async (project) => {
      expect(await claimed(plus(now, 1), project)).toEqual([]);
      expect(await alarm()).toContain(PROJECT_URL);
      expect(await alarm()).toContain(project);
    },
  );

  test('a name of any length fits into the alarm', async () => {
    expect(await claimed(plus(now, 1), `https://${'x'.repeat(5000)}.example.com`)).toEqual([]);
    expect((await alarm())?.length).toBeLessThan(1000);
  });

  test('its dispatcher leaves instead of asking again and again', async () => {
    const { sql } = db();
    const dispatcher = crypto.randomUUID();
    expect(await claim(sql, plus(now, 1), { dispatcher, project: STAGING })).toEqual([]);
    const [row] = await sql`select public.push_leave(${dispatcher}, false, ${plus(now, 2)}) as left`;
    expect(row?.left).toBe(true);
  });

  test('is asked again once a minute, and by no message in between', async () => {
    const { sql } = db();
    const rings: number[] = [];
    for (let seconds = 10; seconds <= 300; seconds += 10) {
      const at = plus(now, seconds);
      if (await tick(at)) {
        rings.push(seconds);
        await claimed(at, STAGING);
        await sql`delete from push.dispatchers`;
      }
    }
    expect(rings).toEqual([10, 70, 130, 190, 250]);
    await forgetRings();
    await claimed(startOfClock(), STAGING);
    await sql`delete from push.dispatchers`;
    await notify(sql, userId);
    expect(await countRings(sql)).toBe(0);
  });

  test('goes on by itself as soon as its own function comes: one stray function does not stop it', async () => {
    expect(await claimed(plus(now, 1), STAGING)).toEqual([]);
    expect(await claimed(plus(now, 2), PROJECT_URL)).toEqual(['Before']);
    expect(await alarm()).toBeUndefined();
  });

  test('cannot be adopted while its bell still rings the original', async () => {
    await claimed(plus(now, 1), STAGING);
    const refusal = await refusalOf(adopt());
    expect(refusal).toMatchObject({ sqlstate: 'PT409', code: 'bell_rings_original' });
    expect(refusal.hint).toContain(`--project-url ${STAGING} --adopt`);
    await connect(STAGING);
    expect(await adopt()).toBe(STAGING);
    expect(await claimed(plus(now, 2), STAGING)).toEqual(['Before']);
  });

  test('is recognised before its original has ever claimed', async () => {
    await db().sql`update push.project set function_url = null`;
    expect(await claimed(plus(now, 1), STAGING)).toEqual([]);
    expect(await claimed(plus(now, 2), PROJECT_URL)).toEqual(['Before']);
  });
});

describe('another address of the same project', () => {
  test('is adopted in one step: the function goes by its old name', async () => {
    await connect(PROJECT_URL);
    await claimed(now, PROJECT_URL);
    await notify(db().sql, userId);
    await connect(DOMAIN);
    expect(await claimed(plus(now, 1), PROJECT_URL)).toEqual([]);
    expect(await adopt()).toBe(DOMAIN);
    expect(await claimed(plus(now, 2), PROJECT_URL)).toEqual(['Hello']);
    expect(await claimed(plus(now, 3), PROJECT_URL)).toEqual([]);
    expect(await alarm()).toBeUndefined();
  });

  test('is no other project where both are local: ports change', async () => {
    await connect('http://127.0.0.1:54321');
    await claimed(now, 'http://127.0.0.1:54321');
    await notify(db().sql, userId);
    await connect('http://127.0.0.1:61234');
    expect(await claimed(plus(now, 1), 'http://127.0.0.1:61234')).toEqual(['Hello']);
    expect(await alarm()).toBeUndefined();
  });

  test.each([
    [PROJECT_URL, 'http://127.0.0.1:54321'],
    ['http://127.0.0.1:54321', PROJECT_URL],
  ])('is one where one of them is local: %s, then %s', async (from, to) => {
    await connect(from);
    await notify(db().sql, userId);
    await connect(to);
    expect(await claimed(plus(now, 1), to)).toEqual([]);
    expect(await alarm()).toContain(to);
  });
});

test('a database that was never connected cannot be adopted', async () => {
  expect(await refusalOf(adopt())).toMatchObject({ sqlstate: 'PT409', code: 'not_connected' });
});

test('to adopt what is no copy changes nothing', async () => {
  await connect(PROJECT_URL);
  expect(await adopt()).toBe(PROJECT_URL);
  await notify(db().sql, userId);
  expect(await claimed(plus(now, 1), PROJECT_URL)).toEqual(['Hello']);
});

test('to discard what is to come is refused', async () => {
  await connect(PROJECT_URL);
  expect(await refusalOf(adopt('-1 minute'))).toMatchObject({ sqlstate: 'PT400', code: 'interval_negative' });
});

test.each([
  ['http://127.0.0.1:54321', true],
  ['http://localhost:54321', true],
  ['http://[::1]:54321', true],
  ['http://kong:8000', true],
  ['http://10.0.0.7', true],
  ['http://172.16.0.1:8000', true],
  ['http://172.31.255.1', true],
  ['http://192.168.1.20:8000', true],
  ['http://supabase.internal:8000', true],
  ['http://my-machine.local', true],
  ['http://172.32.0.1', false],
  ['http://11.0.0.1', false],
  ['https://10.example.com', false],
  ['https://localhost.example.com', false],
  ['https://internal.example.com', false],
  [PROJECT_URL, false],
  [DOMAIN, false],
])('%s is local: %s', async (url, local) => {
  const [row] = await db().sql`select push.is_local_url(${url}) as local`;
  expect(row?.local).toBe(local);
});
