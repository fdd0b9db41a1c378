import { beforeEach, expect, test } from 'vitest';
import { clearQueue, plus } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';
import { heartbeat } from '../../support/workers.ts';

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await db().sql`delete from push.workers`;
});

interface Health {
  workers: unknown[];
  reasons: { code: string; message: string }[];
}

async function health(now = new Date()): Promise<Health> {
  const [row] = await db().sql<{ health: Health }[]>`select public.push_health(${now}) as health`;
  return (row as { health: Health }).health;
}

test('those that live, by name, and whether they are at work; none whose lease is over', async () => {
  const { sql } = db();
  expect((await health()).workers).toEqual([]);
  const now = new Date();
  await heartbeat(sql, { name: 'shop-2', now });
  await heartbeat(sql, { name: 'shop-1', listens: true, now });
  await sql`select push.ring(${now})`;
  const { workers } = await health(now);
  expect(workers).toMatchObject([
    { name: 'shop-1', version: '0.1.0', listens: true },
    { name: 'shop-2', version: '0.1.0', listens: false },
  ]);
  expect(workers.map((worker) => (worker as { dispatchers: number }).dispatchers).sort()).toEqual([0, 1]);
  expect((await health(plus(now, 31))).workers).toEqual([]);
});

test('one of another release is a reason, and says what to do', async () => {
  const { sql } = db();
  await heartbeat(sql, { name: 'old', version: '0.0.9' });
  await heartbeat(sql, { name: 'new', version: '0.1.1' });
  const { reasons } = await health();
  expect(reasons).toEqual(
    expect.arrayContaining([
      { code: 'workers_outdated', message: expect.stringContaining('old 0.0.9. Start them') },
      { code: 'database_outdated', message: expect.stringContaining('new 0.1.1. Run: npx supabase db push') },
    ]),
  );
});
