import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { readingOf } from '../../support/reading.ts';
import { createSubscription } from '../../support/subscriptions.ts';

// Everyone has preferences, and so has every device: what is judged is looked up among all of them.
const USERS = 3000;
const ROWS = 60;
const TABLES = ['public.push_subscriptions', 'public.push_preferences', 'public.push_device_preferences'];

async function fill(sql: postgres.Sql, users: number): Promise<string> {
  const ids = Array.from({ length: users }, () => randomUUID());
  await sql`insert into auth.users (id) select unnest(${ids}::uuid[])`;
  const device = createSubscription();
  await sql`
    insert into public.push_subscriptions (id, user_id, endpoint, p256dh, auth)
    select gen_random_uuid(), u, ${device.endpoint as string} || '/' || u, ${device.p256dh as string}, ${device.auth as string}
    from unnest(${ids}::uuid[]) as u`;
  await sql`
    insert into public.push_preferences (user_id, muted_categories, timezone)
    select unnest(${ids}::uuid[]), '{news}', 'UTC'`;
  await sql`
    insert into public.push_device_preferences (subscription_id, user_id, quiet_from, quiet_until)
    select s.id, s.user_id, '00:00', '23:59' from public.push_subscriptions as s where s.user_id = any (${ids}::uuid[])`;
  return ids[0] as string;
}

describe.each(['never analysed', 'analysed while nearly empty', 'analysed'])(
  'preferences that were %s',
  (statistics) => {
    let database: TestDatabase;
    let user: string;
    const sessions: Record<string, postgres.Sql> = {};

    const works: [string, (sql: postgres.TransactionSql, id: string) => Promise<unknown>][] = [
      [
        'asking whether a user wants a message',
        (sql, id) => sql`select push.is_wanted(${id}, 'deals', now())`,
      ],
      [
        'judging anew what waits for the end of quiet hours',
        (sql, id) => sql`select push.rejudge_deferred(${id}, now())`,
      ],
    ];

    beforeAll(async () => {
      database = await createTestDatabase();
      const { sql } = database;
      for (const table of TABLES) await sql`alter table ${sql(table)} set (autovacuum_enabled = false)`;
      const first = await fill(sql, 2);
      if (statistics === 'analysed while nearly empty') await sql.unsafe('vacuum analyze').simple();
      const connect = (mode: string) =>
        postgres(database.url, {
          max: 1,
          onnotice: () => undefined,
          connection: { plan_cache_mode: mode },
        });
      const old = connect('force_generic_plan');
      for (const [, run] of works) await readingOf(old, TABLES, (t) => run(t, first));
      user = await fill(sql, USERS);
      await sql`select push.notify(${user}, 'Hello', p_category => 'deals')`;
      if (statistics === 'analysed') await sql.unsafe('vacuum analyze').simple();
      Object.assign(sessions, {
        'a plan for what it is given': connect('force_custom_plan'),
        'a plan for everything': connect('force_generic_plan'),
        'a plan from when there was next to nothing': old,
      });
    }, 60_000);

    afterAll(async () => {
      await Promise.all(Object.values(sessions).map((session) => session.end()));
      await database.drop();
    });

    describe.each([
      'a plan for what it is given',
      'a plan for everything',
      'a plan from when there was next to nothing',
    ])('with %s', (plan) => {
      test.each(works)("%s reads what is that user's alone", async (_, run) => {
        const reading = await readingOf(sessions[plan] as postgres.Sql, TABLES, (sql) => run(sql, user));
        expect(reading.sequentialScans).toEqual([]);
        expect(reading.rows).toBeLessThanOrEqual(ROWS);
        expect(reading.pages).toBeLessThanOrEqual(ROWS * 3);
      });
    });
  },
);
