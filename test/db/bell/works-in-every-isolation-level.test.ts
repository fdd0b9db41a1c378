import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { type Session, withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
});

const begin = async (session: Session, level: string) => {
  await session.sql.unsafe(`begin isolation level ${level}`);
  // The snapshot is taken here.
  await session.sql`select from push.dispatchers`;
};

const countDeliveries = async () => (await db().sql`select count(*)::int as n from push.deliveries`)[0]?.n;

describe.each(['read committed', 'repeatable read', 'serializable'])('%s', (level) => {
  test('without a dispatcher it rings', async () => {
    await withSessions(db().url, 1, async (app) => {
      if (!app) throw new Error('one session');
      await begin(app, level);
      for (let index = 0; index < 3; index += 1) await notify(app.sql, user);
      await app.sql`commit`;
    });
    expect(await countDeliveries()).toBe(3);
    expect(await countRings(db().sql)).toBe(1);
  });

  test('with a live dispatcher it does not', async () => {
    await claim(db().sql, new Date());
    await withSessions(db().url, 1, async (app) => {
      if (!app) throw new Error('one session');
      await begin(app, level);
      for (let index = 0; index < 3; index += 1) await notify(app.sql, user);
      await app.sql`commit`;
    });
    expect(await countDeliveries()).toBe(3);
    expect(await countRings(db().sql)).toBe(0);
  });

  test('a dispatcher that showed a sign of life since is no reason to fail, or to fall silent', async () => {
    const { sql, url } = db();
    const dispatcher = randomUUID();
    await claim(sql, new Date(), { dispatcher });
    await withSessions(url, 1, async (app) => {
      if (!app) throw new Error('one session');
      await begin(app, level);
      await sql`select public.push_heartbeat(${dispatcher})`;
      for (let index = 0; index < 3; index += 1) await notify(app.sql, user);
      await app.sql`commit`;
    });
    expect(await countDeliveries()).toBe(3);
    expect(await countRings(sql)).toBeLessThanOrEqual(1);
  });

  test('a dispatcher that left since is replaced', async () => {
    const { sql, url } = db();
    const dispatcher = randomUUID();
    await claim(sql, new Date(), { dispatcher });
    await withSessions(url, 1, async (app) => {
      if (!app) throw new Error('one session');
      await begin(app, level);
      await sql`select public.push_leave(${dispatcher})`;
      await notify(app.sql, user);
      await app.sql`commit`;
    });
    expect(await countDeliveries()).toBe(1);
    expect(await countRings(sql)).toBe(1);
  });

  test('a dispatcher that came since is not missed so badly that the write fails', async () => {
    const { sql, url } = db();
    await withSessions(url, 1, async (app) => {
      if (!app) throw new Error('one session');
      await begin(app, level);
      await claim(sql, new Date());
      await notify(app.sql, user);
      await app.sql`commit`;
    });
    expect(await countDeliveries()).toBe(1);
    expect(await countRings(sql)).toBeLessThanOrEqual(1);
  });

  test('two writers at once, both without a dispatcher: both commit, at the latest at the second try', async () => {
    const { sql, url } = db();
    const other = (await createUser(sql)).id;
    await subscribe(sql, other);
    await withSessions(url, 2, async (first, second) => {
      if (!first || !second) throw new Error('two sessions');
      await begin(first, level);
      await begin(second, level);
      await notify(first.sql, user);
      await notify(second.sql, other);
      await first.sql`commit`;
      const again = await second.sql`commit`.then(
        () => false,
        (error: { code: string }) => {
          // What every serializable transaction must be ready for, and nothing else.
          expect([level, error.code]).toEqual(['serializable', '40001']);
          return true;
        },
      );
      if (again) {
        await begin(second, level);
        await notify(second.sql, other);
        await second.sql`commit`;
      }
    });
    expect(await countDeliveries()).toBe(2);
    expect(await countRings(sql)).toBeGreaterThan(0);
  });
});

test('a read-only transaction is refused as any write in it would be', async () => {
  await withSessions(db().url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin read only`;
    expect((await refusalOf(notify(app.sql, user))).sqlstate).toBe('25006');
  });
});
