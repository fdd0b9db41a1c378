import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { clearLimits, closeDigests, defineDigest, readSummaries, write } from '../../support/digests.ts';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, plus, startOfClock } from '../../support/queue.ts';
import { endsOrWaits, type Session, withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const SESSIONS = 50;
const RUNS = 20;
const db = useDatabase();
let start: Date;
beforeEach(async () => {
  await clearQueue(db().sql);
  await clearLimits(db().sql);
  start = startOfClock();
});
const end = () => plus(start, 3700);

const createReader = async () => {
  const { id } = await createUser(db().sql);
  await subscribe(db().sql, id);
  return id;
};

const writeAll = (sessions: Session[], user: string, key: string, perSession = 1) =>
  Promise.all(
    sessions.map(async ({ sql }, session) => {
      for (let index = 0; index < perSession; index += 1)
        await write(sql, user, { title: `${session}`, digest_key: key });
    }),
  );

const countsOf = async (user: string) =>
  (await readSummaries(db().sql, user)).map(({ params }) => params.count);
const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0);

test(`${SESSIONS} sessions, ${RUNS} times: one digest, one push, the right count`, {
  timeout: 120_000,
}, async () => {
  const { sql, url } = db();
  await defineDigest(sql, 'deals', { maxItems: 1000 });
  await withSessions(url, SESSIONS, async (...sessions) => {
    for (let run = 0; run < RUNS; run += 1) {
      const user = await createReader();
      await writeAll(sessions, user, `deals:${run}`);
      expect(await closeDigests(sql, end())).toBe(1);
      expect(await countsOf(user)).toEqual([SESSIONS]);
      expect(await claim(sql, end())).toHaveLength(1);
    }
  });
});

test(`of a leading digest, exactly one of ${SESSIONS} goes at once, ${RUNS} times`, {
  timeout: 120_000,
}, async () => {
  const { sql, url } = db();
  await defineDigest(sql, 'deals', { maxItems: 1000, leading: true });
  await withSessions(url, SESSIONS, async (...sessions) => {
    for (let run = 0; run < RUNS; run += 1) {
      const user = await createReader();
      await writeAll(sessions, user, `deals:${run}`);
      expect(await claim(sql, startOfClock())).toHaveLength(1);
      expect(await closeDigests(sql, end())).toBe(1);
      expect(await countsOf(user)).toEqual([SESSIONS - 1]);
      expect(await claim(sql, end())).toHaveLength(1);
    }
  });
});

test(`closing on size while all write: nothing is lost or counted twice, ${RUNS} times`, {
  timeout: 120_000,
}, async () => {
  const { sql, url } = db();
  await defineDigest(sql, 'deals', { maxItems: 10 });
  await withSessions(url, SESSIONS, async (...sessions) => {
    for (let run = 0; run < RUNS; run += 1) {
      const user = await createReader();
      const key = `deals:${run}`;
      let writing = true;
      const written = writeAll(sessions, user, key, 2).finally(() => {
        writing = false;
      });
      // As the tick does, all the while.
      while (writing) await closeDigests(sql, startOfClock());
      await written;
      await closeDigests(sql, end());
      const counts = await countsOf(user);
      expect(sum(counts)).toBe(SESSIONS * 2);
      // None was closed before it was full, but for the one that was open at the end.
      expect(counts.filter((count) => count < 10).length).toBeLessThanOrEqual(1);
      const [digests] = await sql`
        select count(*)::int as n, count(distinct summary_id)::int as summaries from push.digests where user_id = ${user}`;
      expect(digests).toEqual({ n: counts.length, summaries: counts.length });
    }
  });
});

test('writers never wait for each other once the digest is open', async () => {
  const { sql, url } = db();
  await defineDigest(sql, 'deals', { maxItems: 3 });
  const user = await createReader();
  await write(sql, user, { digest_key: 'deals' });
  await withSessions(url, 3, async (...sessions) => {
    for (const session of sessions) {
      await session.sql`begin`;
      // The third of them seals it.
      const written = write(session.sql, user, { digest_key: 'deals' });
      expect(await endsOrWaits(sql, session, written)).toBe('ends');
      await written;
    }
    for (const { sql: own } of sessions) await own`commit`;
  });
  await closeDigests(sql, end());
  expect(sum(await countsOf(user))).toBe(4);
});

test('a transaction that has not committed yet keeps it from being closed, and is counted', async () => {
  const { sql, url } = db();
  await defineDigest(sql, 'deals');
  const user = await createReader();
  await write(sql, user, { digest_key: 'deals' });
  await withSessions(url, 1, async (...[writer]) => {
    const own = writer?.sql as postgres.Sql;
    await own`begin`;
    await write(own, user, { digest_key: 'deals' });
    expect(await closeDigests(sql, end())).toBe(0);
    await own`commit`;
  });
  expect(await closeDigests(sql, end())).toBe(1);
  expect(await countsOf(user)).toEqual([2]);
});

test('a transaction that is rolled back opened nothing and is not counted', async () => {
  const { sql, url } = db();
  await defineDigest(sql, 'deals', { leading: true });
  const user = await createReader();
  await withSessions(url, 2, async (...[first, second]) => {
    if (!first || !second) throw new Error('two sessions');
    await first.sql`begin`;
    await write(first.sql, user, { digest_key: 'deals' });
    const written = write(second.sql, user, { digest_key: 'deals' });
    await first.sql`rollback`;
    await written;
  });
  expect(await claim(sql, start)).toHaveLength(1);
});

test('two that close at once make one summary', async () => {
  const { sql, url } = db();
  await defineDigest(sql, 'deals');
  const user = await createReader();
  await write(sql, user, { digest_key: 'deals' });
  await withSessions(url, 1, async (...[closer]) => {
    const own = closer?.sql as postgres.Sql;
    await own`begin`;
    expect(await closeDigests(own, end())).toBe(1);
    expect(await closeDigests(sql, end())).toBe(0);
    await own`commit`;
  });
  expect(await closeDigests(sql, end())).toBe(0);
  expect(await countsOf(user)).toEqual([1]);
});

test('two that write to several users in opposite order never wait in a circle', async () => {
  const { sql, url } = db();
  await defineDigest(sql, 'deals');
  const users = await Promise.all([createReader(), createReader(), createReader(), createReader()]);
  await withSessions(url, 8, async (...sessions) => {
    for (let run = 0; run < 10; run += 1) {
      const key = `deals:${randomUUID()}`;
      await Promise.all(
        sessions.map(({ sql: own }, index) => {
          const order = index % 2 === 0 ? users : users.toReversed();
          return own`
            insert into public.push_notifications (user_id, title, digest_key) select u, 'Hello', ${key}
            from unnest(${order}::uuid[]) as u`;
        }),
      );
    }
  });
  expect(await closeDigests(sql, end())).toBe(40);
  expect((await readSummaries(sql)).map(({ params }) => params.count)).toEqual(Array(40).fill(8));
});

test.each(['repeatable read', 'serializable'])(
  'in %s, who looked before it was closed opens the next one, and nothing is lost',
  async (level) => {
    const { sql, url } = db();
    await defineDigest(sql, 'deals');
    const user = await createReader();
    await write(sql, user, { digest_key: 'deals' });
    await withSessions(url, 1, async (...[writer]) => {
      const own = writer?.sql as postgres.Sql;
      await own.unsafe(`begin isolation level ${level}`);
      await own`select from push.digests`;
      await closeDigests(sql, end());
      await write(own, user, { digest_key: 'deals' });
      await own`commit`;
    });
    await closeDigests(sql, plus(end(), 3700));
    expect(await countsOf(user)).toEqual([1, 1]);
  },
);
