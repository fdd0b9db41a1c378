import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  notify,
  pauseHosts,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await connectBell(db().sql);
});

async function tick(now: Date) {
  const [row] = await db().sql<{ result: Record<string, unknown> }[]>`select push.tick(${now}) as result`;
  return row?.result;
}

/** As a crash of Postgres leaves it: pg_net's queue is unlogged. */
async function loseRings(): Promise<void> {
  await db().sql`delete from net.http_request_queue`;
}

const IDLE = { recovered: 0, expired: 0, released: 0, rung: false };

test('with nothing to do it does nothing', async () => {
  expect(await tick(startOfClock())).toMatchObject(IDLE);
  expect(await countRings(db().sql)).toBe(0);
});

test('a bell that was lost is rung again, once no dispatcher is expected any more', async () => {
  const { sql } = db();
  await queueOne(sql);
  await loseRings();
  const now = startOfClock();
  expect(await tick(now)).toMatchObject({ rung: false });
  expect(await tick(plus(now, 15))).toMatchObject({ rung: true });
  expect(await countRings(sql)).toBe(1);
  expect(await tick(plus(now, 16))).toMatchObject({ rung: false });
});

test('it does not ring while a dispatcher lives', async () => {
  const { sql } = db();
  await queueOne(sql);
  await loseRings();
  const now = startOfClock();
  await claim(sql, now, { limit: 0 });
  expect(await tick(plus(now, 15))).toMatchObject({ rung: false });
  expect(await countRings(sql)).toBe(0);
});

test('dead dispatchers are removed, live ones stay', async () => {
  const { sql } = db();
  const now = startOfClock();
  const [dead, alive] = [randomUUID(), randomUUID()];
  await claim(sql, plus(now, -100), { dispatcher: dead });
  await claim(sql, now, { dispatcher: alive });
  await tick(now);
  expect([...(await sql`select id from push.dispatchers`)]).toEqual([{ id: alive }]);
});

test('what a dead dispatcher held is handed back, and another dispatcher is called for it', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  await loseRings();
  const now = startOfClock();
  await claimOne(sql, now);
  await sql`delete from push.dispatchers where lease_until < ${plus(now, 15)}`;
  expect(await tick(plus(now, 61))).toMatchObject({ recovered: 1, rung: true });
  expect((await readDelivery(sql, deliveryId)).state).toBe('queued');
  expect(await countRings(sql)).toBe(1);
});

test('the tick rings for a delivery that failed and is due again', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  await loseRings();
  const now = startOfClock();
  await complete(sql, now, [
    { ...(await claimOne(sql, now)), outcome: 'retry', status: 503, retry_after: 300 },
  ]);
  expect(await tick(plus(now, 200))).toMatchObject({ rung: false });
  expect(await tick(plus(now, 301))).toMatchObject({ rung: true });
  expect((await readDelivery(sql, deliveryId)).state).toBe('queued');
});

test('a push service whose pause is over is rung for', async () => {
  const { sql } = db();
  await queueOne(sql);
  await loseRings();
  const now = startOfClock();
  await pauseHosts(sql, plus(now, 60));
  expect(await tick(plus(now, 30))).toMatchObject({ rung: false });
  expect(await tick(plus(now, 61))).toMatchObject({ rung: true });
});

test('what is too late is ended, and no dispatcher is called for it', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql, { ttl: 60 });
  await loseRings();
  expect(await tick(plus(startOfClock(), 120))).toMatchObject({ expired: 1, rung: false });
  expect((await readDelivery(sql, deliveryId)).state).toBe('expired');
});

test('a scheduled message is released when its time has come, and the tick rings once', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const sendAt = plus(new Date(), 3600);
  await notify(sql, user.id, { sendAt });
  expect(await tick(plus(sendAt, -1))).toMatchObject({ ...IDLE });
  expect(await tick(plus(sendAt, 1))).toMatchObject({ released: 1 });
  expect(await countRings(sql)).toBe(1);
  expect(await tick(plus(sendAt, 2))).toMatchObject({ released: 0, rung: false });
});

test('a dispatcher that a transaction counts on outlives its lease until that transaction ends', async () => {
  const { sql, url } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  await claim(sql, new Date());
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await notify(app.sql, user.id);
    // The tick does not wait.
    await tick(plus(new Date(), 100));
    await app.sql`commit`;
  });
  expect(await tick(plus(new Date(), 100))).toMatchObject({ rung: true });
});

test('pg_cron runs it every few seconds, and beside it only statistics, the housekeeping and what alerts need', async () => {
  const jobs = await db().sql`select jobname, schedule, command, active from cron.job order by jobname desc`;
  expect([...jobs]).toEqual([
    {
      jobname: 'supapush-tick',
      schedule: expect.stringMatching(/^([1-9]|[1-5]\d) seconds$/),
      command: expect.stringContaining('push.tick()'),
      active: true,
    },
    {
      jobname: 'supapush-statistics',
      schedule: '* * * * *',
      command: expect.stringContaining('push.roll_up()'),
      active: true,
    },
    {
      jobname: 'supapush-clean',
      schedule: '* * * * *',
      command: expect.stringContaining('push.clean(p_for => '),
      active: true,
    },
    {
      jobname: 'supapush-alerts',
      schedule: '* * * * *',
      command: expect.stringContaining('push.tick_alerts()'),
      active: true,
    },
  ]);
});
