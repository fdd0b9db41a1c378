import type postgres from 'postgres';
import type { VirtualDevice } from '../../src/testing/push-service/virtual-device.ts';
import type { AlertPlan, AlertState, AlertStory, Outcome } from './alert-story.ts';
import type { MarketDay } from './market-day.ts';
import type { Narrator } from './narrator.ts';

const clockOfBerlin = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: 'Europe/Berlin' });

const clock = (at: number | Date | null) => (at === null ? '' : clockOfBerlin.format(at));

function describe(outcome: Outcome, { rearms }: AlertPlan, { cooldown_until }: AlertState): string {
  switch (outcome) {
    case 'rang':
      return 'rings';
    case 'hysteresis':
      return `held back by hysteresis: it has not been ${rearms} since`;
    case 'cooldown':
      return `held back by cooldown until ${clock(cooldown_until)}`;
    case 'hours':
      return 'held back until its active hours begin';
    case 'done':
      return 'was to ring once, and has';
  }
}

/**
 * Records a day of quotes, minute by minute, with what pg_cron does every minute in between, and tells what is crossed,
 * what rings, and what is held back. Waits for each push before the day goes on. Throws when an alert fires without a
 * crossing, or a push does not arrive.
 */
export async function playMarketDay(
  sql: postgres.Sql,
  { say, check }: Narrator,
  day: MarketDay,
  stories: readonly AlertStory[],
  phones: Readonly<Record<string, VirtualDevice>>,
): Promise<void> {
  const started = performance.now();
  for (const { at, quotes } of day.minutes) {
    const now = new Date(at);
    const time = clock(at);
    const [recorded] = await sql<{ fired: number }[]>`
      select (public.push_record_quotes(${sql.json(quotes)}, ${now}) ->> 'fired')::integer as fired`;
    const committed = Date.now();
    let rang = 0;
    for (const story of stories) {
      const { symbol, label, owner, window } = story.plan;
      const quote = quotes.find((one) => one.symbol === symbol);
      const measure = quote && story.crosses(quote.value);
      if (quote === undefined || measure === undefined) continue;
      const state = await readState(sql, story.plan.id);
      const outcome = story.crossed(state, at);
      const seen = window === 0 ? `${quote.value}` : `${quote.value} (+${measure.toFixed(2)} %)`;
      say(`${time}  ${label}: ${seen}   ${describe(outcome, story.plan, state)}`);
      if (outcome !== 'rang') continue;
      rang++;
      await tellPush(say, owner, phones[owner], committed);
    }
    if (rang !== recorded?.fired)
      check(
        false,
        `at ${time} as many alerts fire as thresholds are crossed (${recorded?.fired}, not ${rang})`,
      );

    // What pg_cron does every minute.
    const [tended] = await sql<{ fired: number }[]>`
      select (push.tick_alerts(p_now => ${now}) ->> 'fired')::integer as fired`;
    const tendedAt = Date.now();
    if (tended?.fired === 0) continue;
    for (const story of stories) {
      if (!story.firedLater(await readState(sql, story.plan.id))) continue;
      say(`${time}  ${story.plan.label}: it still holds, and may be told now`);
      await tellPush(say, story.plan.owner, phones[story.plan.owner], tendedAt);
    }
  }
  const quotes = day.minutes.reduce((sum, minute) => sum + minute.quotes.length, 0);
  say(`${quotes} quotes were recorded in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

async function readState(sql: postgres.Sql, id: string): Promise<AlertState> {
  const [row] = await sql<AlertState[]>`
    select enabled, times_fired, held_back, last_fired_at + cooldown as cooldown_until
    from public.push_alerts where id = ${id}`;
  return row as AlertState;
}

async function tellPush(
  say: Narrator['say'],
  owner: string,
  phone: VirtualDevice | undefined,
  since: number,
): Promise<void> {
  const message = await phone?.next({ timeoutMs: 20_000 });
  if (!message) throw new Error(`${owner} has no phone.`);
  const { title, body } = (message.json as { notification: { title: string; body?: string } }).notification;
  say(`       ${owner}'s phone: "${title}" / "${body}"   ${message.arrivedAt - since} ms after commit`);
}
