import postgres from 'postgres';
import { expect, test } from 'vitest';
import { MORNING, recordQuotes } from '../../support/alerts.ts';
import { createUser } from '../../support/postgres.ts';
import { generator } from '../../support/random-numbers.ts';
import { useDatabase } from '../../support/use-database.ts';
import { pick, RandomSymbol } from './random-market.ts';

// `WALKS=10000` for a longer look; each walk is another random market.
const WALKS = Number(process.env.WALKS ?? 2000);
const AT_ONCE = 1000;
const STEPS = 24;
const MINUTE = 60_000;

const db = useDatabase();

/** How one alert stands, and what it has told, in order. */
interface Story {
  told: number[];
  enabled: boolean;
  disabled_reason: string | null;
  held_back: number;
  held_until: number | null;
  armed: boolean;
}

/** Moves levels of some symbols, as a service writes them: set, changed, written again, taken away. */
async function moveLevels(sql: postgres.Sql, symbols: RandomSymbol[], random: () => number, now: number) {
  const moved = symbols.filter(({ alerts }) => random() < 0.1 && alerts.some(({ input }) => input.level));
  for (const symbol of moved) symbol.moveLevel(pick(random, [null, symbol.level, 97, 99, 101, 102.5]), now);
  await sql.begin(async (t) => {
    await t`select set_config('push.writing_at', ${new Date(now).toISOString()}, true)`;
    const gone = moved.filter(({ level }) => level === null).map(({ symbol }) => symbol);
    await t`delete from public.push_levels where symbol = any (${gone})`;
    const rows = moved.filter(({ level }) => level !== null);
    await t`
      insert into public.push_levels (symbol, level, value)
      select n.symbol, 'line', n.value
      from unnest(${rows.map(({ symbol }) => symbol)}::text[], ${rows.map(({ level }) => level)}::float8[]) as n (symbol, value)
      on conflict (symbol, level) do update set value = excluded.value`;
  });
}

async function walk(seed: number): Promise<{ fired: number; heldBack: number }> {
  const random = generator(seed);
  const symbols = Array.from(
    { length: AT_ONCE },
    (_, index) => new RandomSymbol(random, `walk:${seed}-${index}`),
  );
  let sql = db().sql;
  const { id: userId } = await createUser(sql);
  const alerts = symbols.flatMap((symbol) => symbol.alerts);
  const rows = alerts.map(({ input }) => ({ ...input, user_id: userId }));
  await sql`
    insert into public.push_alerts (user_id, symbol, condition, threshold, window_minutes, direction, level, level_condition,
      hysteresis, hysteresis_unit, cooldown, recurring, expires_at, active_from, active_until, timezone, setup)
    select n.user_id, n.symbol, n.condition, n.threshold, n.window_minutes, n.direction, n.level, n.level_condition,
      n.hysteresis, n.hysteresis_unit, n.cooldown, n.recurring, n.expires_at, n.active_from, n.active_until, n.timezone, n.setup
    from jsonb_populate_recordset(null::public.push_alerts, ${sql.json(rows as never)}) as n`;

  for (let step = 0; step < STEPS; step += 1) {
    const now = MORNING.getTime() + step * MINUTE;
    const before = alerts.reduce((sum, { reference }) => sum + reference.fired.length, 0);
    const quotes = symbols.flatMap((symbol) => symbol.quotes(now)).sort(() => random() - 0.5);
    const { fired } = await recordQuotes(sql, quotes, new Date(now));
    expect(fired).toBe(alerts.reduce((sum, { reference }) => sum + reference.fired.length, 0) - before);
    if (step % 4 === 1) await moveLevels(sql, symbols, random, now);
    if (step % 3 === 2 || step === STEPS - 1) {
      for (const symbol of symbols) symbol.tend(now);
      await sql`select push.tick_alerts(1000000, ${new Date(now)})`;
    }
    if (step % 8 === 5) {
      // A recorder has no memory of its own: another connection, which says the last quotes again, goes on.
      sql = postgres(db().url, { onnotice: () => undefined, max: 1 });
      const again = await recordQuotes(
        sql,
        quotes.filter(({ quoted_at: at }) => at),
        new Date(now),
      );
      expect(again).toMatchObject({ recorded: 0, fired: 0, ignored: { stale: 0 } });
      await sql.end();
      sql = db().sql;
    }
  }

  const stories = await readStories(userId);
  for (const { input, reference } of alerts) {
    const told: Story = {
      told: reference.fired.map(({ price }) => price),
      enabled: reference.enabled,
      disabled_reason: reference.disabledReason,
      held_back: reference.heldBack,
      held_until: reference.heldUntil,
      armed: reference.armed,
    };
    expect({ input, ...stories.get(input.setup ?? '') }).toEqual({ input, ...told });
  }
  return {
    fired: alerts.reduce((sum, { reference }) => sum + reference.fired.length, 0),
    heldBack: alerts.reduce((sum, { reference }) => sum + reference.heldBack, 0),
  };
}

async function readStories(userId: string): Promise<Map<string, Story>> {
  const rows = await db().sql<(Story & { setup: string; generation: number; times_fired: number })[]>`
    select a.setup, a.enabled, a.disabled_reason, a.held_back, extract(epoch from a.held_until)::float8 * 1000 as held_until,
      a.armed, a.generation, a.times_fired,
      coalesce((
        select array_agg((n.params ->> 'current_price')::float8 order by split_part(n.idempotency_key, ':', 3)::integer)
        from public.push_notifications as n where n.user_id = a.user_id and n.tag = 'alert:' || a.id
      ), '{}') as told
    from public.push_alerts as a where a.user_id = ${userId}`;
  return new Map(
    rows.map(({ setup, generation, times_fired, ...story }) => {
      expect([generation, times_fired]).toEqual([story.told.length, story.told.length]);
      return [setup, story];
    }),
  );
}

test('thousands of random walks fire what a plain reference fires, and leave every alert as it says', async () => {
  // All alerts are of a few users, and each firing is looked at.
  await db().sql`update push.settings set alerts_per_minute = null`;
  let [fired, heldBack] = [0, 0];
  for (let seed = 0; seed < WALKS / AT_ONCE; seed += 1) {
    const found = await walk(seed);
    fired += found.fired;
    heldBack += found.heldBack;
  }
  expect(fired).toBeGreaterThan(WALKS);
  expect(heldBack).toBeGreaterThan(WALKS / 20);
}, 600_000);
