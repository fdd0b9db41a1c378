import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordQuotes } from '../../support/alerts.ts';
import { insertManyAlerts } from '../../support/many-alerts.ts';
import { createTestDatabase, createUser, type TestDatabase } from '../../support/postgres.ts';
import { readingOf } from '../../support/reading.ts';

// 20,000 alerts. Of each symbol 800 wait, of which two cross with the next quote; of the first one, four more have a reason to
// be looked at without one.
const SYMBOLS = Array.from({ length: 250 }, (_, index) => `S${index}`);
const OF_EACH = 80;
const NOW = new Date('2040-06-04T12:00:00Z');
const LARGE = ['public.push_alerts', 'push.quote_history'];
const TABLES = [...LARGE, 'public.push_quotes', 'public.push_levels'];

/** Makes every kind of alert of these symbols, and what they wait for; the old quotes of the first symbol are to be deleted. */
async function fill(superuser: postgres.Sql, symbols: string[], ofEach: number): Promise<void> {
  const { id } = await createUser(superuser);
  await superuser`
    insert into push.quote_history (symbol, quoted_at, value)
    select s, ${NOW}::timestamptz - interval '1 hour' * n, 100
    from unnest(${symbols}::text[]) as s cross join generate_series(1, 110) as n
    on conflict do nothing`;
  await superuser`
    insert into push.quote_history (symbol, quoted_at, value)
    select ${symbols[0] as string}, ${NOW}::timestamptz - interval '10 days' - interval '1 hour' * n, 100
    from generate_series(1, 20) as n on conflict do nothing`;
  await recordQuotes(
    superuser,
    symbols.map((symbol) => ({ symbol, value: 100, quoted_at: NOW })),
    NOW,
  );
  await superuser.begin(async (sql) => {
    await sql`select set_config('push.writing_at', ${NOW.toISOString()}, true)`;
    await sql`
      insert into public.push_levels (symbol, level, value)
      select s, l, 300 from unnest(${symbols}::text[]) as s cross join unnest('{line,moves}'::text[]) as l
      on conflict do nothing`;
  });
  await insertManyAlerts(
    superuser,
    superuser`
      select ${id}::uuid as user_id, s as symbol, k.condition, k.threshold, k.window_minutes,
        case when k.window_minutes > 0 then 'either' end as direction, k.level,
        case when k.level is not null then 300 end as level_price, k.expires_at
      from unnest(${symbols}::text[]) as s
      cross join generate_series(1, ${ofEach}::int) as n
      cross join lateral (select
        case when n <= 2 then 'crosses' when n <= 4 then 'level' when n <= 8 then 'above'
          when n % 8 = 0 then 'percent_change' when n % 8 = 1 then 'level' when n % 8 = 2 then 'below' else 'above' end as condition,
        case when n <= 2 then 100.5 when n <= 4 then null when n <= 8 then 90
          when n % 8 = 0 then 500 + n when n % 8 = 1 then null when n % 8 = 2 then 50 - n * 0.01 else 200 + n end as threshold,
        case when n > 8 and n % 8 = 0 then 60 * (1 + n / 8 % 2) else 0 end as window_minutes,
        case when n between 3 and 4 then 'moves' when n > 8 and n % 8 = 1 then 'line' end as level,
        ${NOW}::timestamptz + case when n between 9 and 12 and s = ${SYMBOLS[0] as string} then interval '-1 minute'
          when n % 8 = 3 then interval '1 day' end as expires_at
      ) as k`,
  );
  // Held back: four of the first symbol may be told by now, the others of it and all of the others tomorrow.
  await superuser`
    update public.push_alerts as a
    set held_until = ${NOW}::timestamptz + case when a.symbol = ${SYMBOLS[0] as string} then interval '-1 minute' else '1 day' end
    where a.threshold = 90 and a.symbol = any (${symbols})`;
}

type Run = (sql: postgres.TransactionSql) => Promise<number>;

async function numberOf(query: postgres.PendingQuery<postgres.Row[]>): Promise<number> {
  const [row] = await query;
  return Number(row?.found);
}

function countUpdates(sql: postgres.TransactionSql): Promise<number> {
  return numberOf(sql`select pg_stat_get_xact_tuples_updated('public.push_alerts'::regclass) as found`);
}

/** What is done, how much it must find, and how many rows it may look at for that. */
const WORKS: [string, { finds: number; rows: number; run: Run }][] = [
  [
    'finding what quotes cross',
    {
      finds: 500,
      rows: 2000,
      run: (sql) =>
        numberOf(sql`
          select count(*) as found from push.crossed_alerts(${SYMBOLS}, array_fill(101::float8, array[250]),
            array_fill(${NOW}::timestamptz + interval '1 minute', array[250]))`),
    },
  ],
  [
    'recording quotes and firing',
    {
      finds: 500,
      rows: 7000,
      run: (sql) =>
        numberOf(sql`
          select public.push_record_quotes(
            (select jsonb_agg(jsonb_build_object('symbol', s, 'value', 101)) from unnest(${SYMBOLS}::text[]) as s),
            ${NOW}::timestamptz + interval '1 minute'
          ) ->> 'fired' as found`),
    },
  ],
  [
    'listing what is watched',
    {
      finds: 250,
      rows: 700,
      run: (sql) => numberOf(sql`select count(*) as found from public.push_watched_symbols(${NOW})`),
    },
  ],
  [
    'following a level that moves',
    {
      finds: 2,
      rows: 700,
      run: async (sql) => {
        const before = await countUpdates(sql);
        await sql`update public.push_levels set value = 301 where symbol = 'S1' and level = 'moves'`;
        return (await countUpdates(sql)) - before;
      },
    },
  ],
  [
    'looking after levels that stand still',
    {
      finds: 0,
      rows: 1300,
      run: (sql) =>
        numberOf(sql`
          select push.restart_alerts_at_levels(array_agg(l.symbol), array_agg(l.level), ${NOW}) as found from public.push_levels as l`),
    },
  ],
  [
    'telling what was held back, and looking again at the last values of 250 symbols',
    // Five for each symbol: its quote, and of two windows an entry and what it is compared with. Beside them, here and below,
    // 500 dead entries of lines that the recording above has moved and rolled back.
    {
      finds: 4,
      rows: 2000,
      run: (sql) => numberOf(sql`select push.fire_missed_alerts(1000, ${NOW}) as found`),
    },
  ],
  [
    'ending what has expired',
    { finds: 4, rows: 50, run: (sql) => numberOf(sql`select push.expire_alerts(1000, ${NOW}) as found`) },
  ],
  [
    'tending all of it',
    {
      finds: 20,
      rows: 3000,
      run: (sql) => numberOf(sql`select push.tick_alerts(1000, ${NOW}) ->> 'quotes_deleted' as found`),
    },
  ],
];

/** A session that plans as `mode` says. */
function connect(database: TestDatabase, mode: string): postgres.Sql {
  return postgres(database.url, {
    max: 1,
    onnotice: () => undefined,
    connection: { plan_cache_mode: mode },
  });
}

describe.each(['never analysed', 'analysed while nearly empty', 'analysed'])(
  'alerts that were %s',
  (statistics) => {
    let database: TestDatabase;
    const sessions: Record<string, postgres.Sql> = {};

    beforeAll(async () => {
      database = await createTestDatabase();
      const { sql } = database;
      // One session for all of it: the schema for temporary tables of another would have every session plan anew.
      const superuser = postgres(database.superuserUrl, { max: 1, onnotice: () => undefined });
      for (const table of TABLES) await sql`alter table ${sql(table)} set (autovacuum_enabled = false)`;
      await fill(superuser, SYMBOLS.slice(0, 1), 16);
      if (statistics === 'analysed while nearly empty') await sql.unsafe('vacuum analyze').simple();
      const old = connect(database, 'force_generic_plan');
      for (const [, { run }] of WORKS) await readingOf(old, TABLES, run);
      await sql`delete from auth.users`;
      await fill(superuser, SYMBOLS, OF_EACH);
      if (statistics === 'analysed') await sql.unsafe('vacuum analyze').simple();
      await superuser.end();
      Object.assign(sessions, {
        'a plan for what it is given': connect(database, 'force_custom_plan'),
        'a plan for everything': connect(database, 'force_generic_plan'),
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
      test.each(WORKS)('%s costs what is found, not what waits', async (_, { finds, rows, run }) => {
        const reading = await readingOf(sessions[plan] as postgres.Sql, TABLES, run);
        expect(reading.result).toBe(finds);
        expect(reading.sequentialScans.filter((table) => LARGE.includes(table))).toEqual([]);
        expect(reading.rows).toBeLessThanOrEqual(rows);
        expect(reading.pages).toBeLessThanOrEqual(rows * 10);
      });
    });
  },
);
