import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { claim, clearQueue, queueOne, setSetting, startOfClock } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  await setSetting(sql, 'backlog_per_dispatcher', 3);
  await setSetting(sql, 'max_dispatchers', 3);
});

async function backlog(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await queueOne(db().sql);
  // What rang while the backlog grew is not what these tests are about.
  await db().sql`delete from push.dispatchers`;
  await db().sql`delete from net.http_request_queue`;
}

test('a full claim with more waiting than settings allow calls one more, up to the ceiling', async () => {
  const { sql } = db();
  await backlog(40);
  const now = startOfClock();
  const dispatcher = randomUUID();
  const rings: number[] = [];
  for (let round = 0; round < 5; round++) {
    await claim(sql, now, { limit: 2, dispatcher });
    rings.push(await countRings(sql));
  }
  // One at work and two called make three.
  expect(rings).toEqual([1, 2, 2, 2, 2]);
});

test('a small backlog is left to the dispatcher at work', async () => {
  const { sql } = db();
  await backlog(5);
  await claim(sql, startOfClock(), { limit: 2 });
  expect(await countRings(sql)).toBe(0);
});

test('a claim that is not full does not even look', async () => {
  const { sql } = db();
  await backlog(10);
  await sql`update push.hosts set max_in_flight = 1`;
  await claim(sql, startOfClock(), { limit: 2 });
  expect(await countRings(sql)).toBe(0);
});

test('the tick calls one more as well', async () => {
  const { sql } = db();
  await backlog(10);
  const now = startOfClock();
  await sql`insert into push.dispatchers (id, started_at, lease_until) values (${randomUUID()}, ${now}, ${new Date(now.getTime() + 60_000)})`;
  await sql`select push.tick(${now})`;
  expect(await countRings(sql)).toBe(1);
});
