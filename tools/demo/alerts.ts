import { isDeepStrictEqual } from 'node:util';
import postgres from 'postgres';
import type { Database } from '../../src/server/database/types.generated.ts';
import type { Stack } from '../local/stack.ts';
import { playMarketDay } from './alert-day.ts';
import { fetchOvernightGap } from './alert-source.ts';
import { AlertStory, type Outcome } from './alert-story.ts';
import { must } from './demo-user.ts';
import { type MarketDay, makeMarketDay } from './market-day.ts';
import type { Narrator } from './narrator.ts';
import { gather, type Person } from './phones.ts';

type Tables = Record<never, never>;
type AlertInsert = Database['public']['Tables']['push_alerts']['Insert'];

const DAY = 86_400_000;

/** What must happen on the day, which is always the same one. */
const MUST_HAPPEN: Record<string, { crossings: number; toldLater: number } & Record<Outcome, number>> = {
  DAX: { crossings: 8, rang: 3, hysteresis: 3, cooldown: 2, hours: 0, done: 0, toldLater: 0 },
  BTC: { crossings: 5, rang: 2, hysteresis: 2, cooldown: 1, hours: 0, done: 0, toldLater: 0 },
  GOLD: { crossings: 2, rang: 1, hysteresis: 0, cooldown: 0, hours: 0, done: 1, toldLater: 0 },
  EURUSD: { crossings: 3, rang: 1, hysteresis: 1, cooldown: 0, hours: 1, done: 0, toldLater: 1 },
};

/** Alerts: three users with a phone each, a day of trading in fast time, and a source that is asked by the clock. */
export async function actAlerts(stack: Stack, narrator: Narrator): Promise<void> {
  const { chapter, say, check } = narrator;
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    chapter('1. A day of trading has ended, and makes the levels of the next');
    const dates = await chooseDates(sql);
    const day = makeMarketDay(dates.startsAt);
    const { open, high, low, close } = day.yesterday;
    say(
      `push.record_session('DAX', '${dates.before}', open ${open}, high ${high}, low ${low}, close ${close})`,
    );
    // One transaction: the pg_cron of this stack goes by another clock, for which that midnight is long over.
    await sql.begin(async (t) => {
      await t`
        select push.record_session(
          'DAX', ${dates.before}, ${open}, ${high}, ${low}, ${close}, 'Europe/Berlin', ${dates.evening}
        )`;
      check((await yesterdayHigh(t)) === undefined, 'in the evening it is not "yesterday" yet');
      await t`select push.tick_alerts(p_now => ${dates.midnight})`;
      check((await yesterdayHigh(t)) === high, `from midnight in Frankfurt on, yesterday_high is ${high}`);
    });

    chapter('2. Anna, Ben and Carla say what they want to be told');
    const cast = await gather<'Anna' | 'Ben' | 'Carla', Tables>(stack, sql, narrator, [
      'Anna',
      'Ben',
      'Carla',
    ]);
    const { anna, ben, carla } = cast.people;
    const stories = await makeAlerts(anna, ben, carla, day, say);
    await showThatAlertsAreTheirOwners(anna, ben, check);

    chapter(`3. ${dates.name}, 07:00 to 17:30 in Frankfurt, in fast time: ${day.minutes.length} minutes`);
    say('push_record_quotes(…, p_now) records each minute as if it were now; the pushes are real ones');
    const phones = { Anna: anna.phone, Ben: ben.phone, Carla: carla.phone };
    await playMarketDay(sql, narrator, day, stories, phones);

    chapter('4. What must have happened on that day');
    printTable(say, stories);
    for (const { plan, crossings, toldLater, outcomes } of stories)
      check(
        isDeepStrictEqual({ crossings, ...outcomes, toldLater }, MUST_HAPPEN[plan.symbol]),
        `${plan.owner}, ${plan.label}: each of ${crossings} crossings rang once or was held back, as it must be`,
      );
    await checkPhones(narrator, stories, [anna, ben, carla]);

    chapter('5. Now, by the clock: a source of quotes is asked, and the market has opened with a gap');
    const { open: o, high: h, low: l, close: c } = day.today;
    await sql`select push.record_session('DAX', ${dates.day}, ${o}, ${h}, ${l}, ${c}, 'Europe/Berlin')`;
    await fetchOvernightGap(stack, sql, narrator, day, anna);
    await checkPhones(narrator, stories, [anna, ben, carla], { Anna: 1 });
  } finally {
    await sql.end();
  }
}

/** The last day of the week before today, whenever this runs, and the one before it. */
async function chooseDates(sql: postgres.Sql) {
  const day = weekdayBefore(Date.now());
  const before = weekdayBefore(Date.parse(day));
  const [row] = await sql<{ starts: Date; evening: Date; midnight: Date }[]>`
    select (${day}::date + time '07:00') at time zone 'Europe/Berlin' as starts,
      (${before}::date + time '17:35') at time zone 'Europe/Berlin' as evening,
      (${before}::date + 1)::timestamp at time zone 'Europe/Berlin' as midnight`;
  const { starts, evening, midnight } = row as { starts: Date; evening: Date; midnight: Date };
  const name = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeZone: 'UTC' }).format(
    Date.parse(day),
  );
  return { day, before, evening, midnight, startsAt: starts.getTime(), name };
}

function weekdayBefore(at: number): string {
  let day = new Date(at - DAY);
  while ([0, 6].includes(day.getUTCDay())) day = new Date(day.getTime() - DAY);
  return day.toISOString().slice(0, 10);
}

async function yesterdayHigh(sql: postgres.TransactionSql): Promise<number | undefined> {
  const [row] =
    await sql`select value from public.push_levels where symbol = 'DAX' and level = 'yesterday_high'`;
  return row?.value;
}

async function makeAlerts(
  anna: Person<Tables>,
  ben: Person<Tables>,
  carla: Person<Tables>,
  day: MarketDay,
  say: Narrator['say'],
): Promise<AlertStory[]> {
  const make = async (
    { name, client }: Person<Tables>,
    label: string,
    words: string,
    rearms: string,
    row: AlertInsert,
  ): Promise<AlertStory> => {
    const { id } = await must(client.from('push_alerts').insert(row).select('id').single());
    say(`${name}'s app: ${words}`);
    return new AlertStory({
      id,
      owner: name,
      symbol: row.symbol,
      label,
      rearms,
      rises: row.condition !== 'below',
      threshold: row.threshold ?? day.yesterday.high,
      window: row.window_minutes ?? 0,
    });
  };
  return [
    await make(
      anna,
      'DAX ▲ yesterday_high',
      'DAX over yesterday_high; again once it was 20 points below, at most every 30 minutes',
      `below ${(day.yesterday.high - 20).toFixed(2)}`,
      {
        symbol: 'DAX',
        condition: 'level',
        level: 'yesterday_high',
        level_condition: 'crosses_above',
        hysteresis: 20,
        cooldown: '30 minutes',
        recurring: true,
        setup: 'Breakout',
      },
    ),
    await make(
      ben,
      'BTC ▲ +5 % in 1 h',
      'BTC +5 % in an hour; again once it was below +4 %, at most every hour',
      'below +4 %',
      {
        symbol: 'BTC',
        condition: 'percent_change',
        direction: 'up',
        threshold: 5,
        window_minutes: 60,
        hysteresis: 1,
        cooldown: '1 hour',
        recurring: true,
      },
    ),
    await make(ben, 'GOLD ▲ 4080, once', 'GOLD over 4080, once', 'below 4080', {
      symbol: 'GOLD',
      condition: 'above',
      threshold: 4080,
      title: '🪙 Gold is at {{current_price}}',
    }),
    await make(
      carla,
      'EURUSD ▼ 1.16',
      'EURUSD below 1.16, from 09:00 to 17:30 in Berlin; again once it was 0.002 above',
      'above 1.162',
      {
        symbol: 'EURUSD',
        condition: 'below',
        threshold: 1.16,
        hysteresis: 0.002,
        recurring: true,
        active_from: '09:00',
        active_until: '17:30',
        timezone: 'Europe/Berlin',
      },
    ),
  ];
}

async function showThatAlertsAreTheirOwners(
  anna: Person<Tables>,
  ben: Person<Tables>,
  check: Narrator['check'],
): Promise<void> {
  const seen = await must(ben.client.from('push_alerts').select('user_id'));
  check(
    seen.length === 2 && seen.every(({ user_id }) => user_id === ben.id),
    "Ben sees his two alerts and no other user's",
  );
  const armed = await anna.client.from('push_alerts').update({ armed: true }).eq('user_id', anna.id);
  check(
    armed.error?.code === '42501',
    `Anna cannot arm hers by hand: how it stands is the database's (${armed.error?.code})`,
  );
}

/** Every message that a phone got is a firing, and every firing is a message. */
async function checkPhones(
  { check }: Narrator,
  stories: readonly AlertStory[],
  people: readonly Person<Tables>[],
  more: Record<string, number> = {},
): Promise<void> {
  for (const { name, client, phone } of people) {
    const rings = stories
      .filter(({ plan }) => plan.owner === name)
      .reduce((sum, story) => sum + story.rings, 0);
    const expected = rings + (more[name] ?? 0);
    const fired = await must(client.from('push_alerts').select('times_fired'));
    const sum = fired.reduce((all, { times_fired }) => all + times_fired, 0);
    check(
      phone.messages.length === expected && sum === expected && phone.failures.length === 0,
      `${name}'s phone rang ${expected} times, and so many firings stand in the alerts`,
    );
  }
}

function printTable(say: Narrator['say'], stories: readonly AlertStory[]): void {
  const columns: [string, (story: AlertStory) => string | number][] = [
    ['', ({ plan }) => plan.owner],
    ['alert', ({ plan }) => plan.label],
    ['crossings', (story) => story.crossings],
    ['rang', ({ outcomes }) => outcomes.rang],
    ['hysteresis', ({ outcomes }) => outcomes.hysteresis],
    ['cooldown', ({ outcomes }) => outcomes.cooldown],
    ['hours', ({ outcomes }) => outcomes.hours],
    ['was over', ({ outcomes }) => outcomes.done],
    ['told later', (story) => story.toldLater],
  ];
  const rows = [
    columns.map(([title]) => title),
    ...stories.map((story) => columns.map(([, of]) => `${of(story) || '–'}`)),
  ];
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (text: string, column: number) =>
    column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
  for (const row of rows) say(row.map(pad).join('  '));
}
