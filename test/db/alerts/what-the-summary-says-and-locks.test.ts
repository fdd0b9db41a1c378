import { beforeEach, describe, expect, test } from 'vitest';
import {
  alertSummaries,
  clearAlerts,
  MORNING,
  makeAlert,
  recordQuotes,
  toldByAlerts,
} from '../../support/alerts.ts';
import { release } from '../../support/digests.ts';
import { createUser } from '../../support/postgres.ts';
import { deliveriesOf, prefer } from '../../support/preferences.ts';
import { clearQueue, plus, setSetting } from '../../support/queue.ts';
import { generator } from '../../support/random-numbers.ts';
import { endsOrWaits, type Session, withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { saveTemplates } from '../../support/templates.ts';
import { throttle } from '../../support/throttles.ts';
import { useDatabase } from '../../support/use-database.ts';

const LIMIT = 10;
const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearAlerts(sql);
  await clearQueue(sql);
  await sql`delete from push.alert_counts`;
  await sql`delete from public.push_categories`;
  await sql`delete from public.push_templates`;
  await sql`update push.settings set alerts_per_minute = ${LIMIT}, alert_template = null, alert_summary_template = null`;
  user = (await createUser(sql)).id;
});

const quote = async (seconds: number, value: number, ...symbols: string[]) =>
  (
    await recordQuotes(
      db().sql,
      (symbols.length ? symbols : ['DAX']).map((symbol) => ({ symbol, value })),
      plus(MORNING, seconds),
    )
  ).fired;
/** So many alerts on each of these symbols, which a first value has armed. */
async function alerts(count: number, symbols = ['DAX'], values = {}, owner = user): Promise<string[]> {
  const made: string[] = [];
  for (const symbol of symbols)
    for (let n = 0; n < count; n += 1)
      made.push(await makeAlert(db().sql, { symbol, condition: 'crosses', ...values }, owner));
  await quote(-60, 99, ...symbols);
  return made;
}
const tend = async (seconds: number) =>
  (await db().sql`select push.tick_alerts(10000, ${plus(MORNING, seconds)}) as done`)[0]?.done as {
    summaries: number;
    fired: number;
  };
const summaries = () => alertSummaries(db().sql);
const told = async () => (await toldByAlerts(db().sql)).length;

describe('a user who has muted', () => {
  test('a symbol is told of the others alone', async () => {
    await setSetting(db().sql, 'alerts_per_minute', 1);
    await subscribe(db().sql, user);
    await prefer(db().sql, user, { muted_categories: ['alerts:A'] });
    await alerts(3, ['A', 'B']);
    await quote(0, 101, 'A', 'B');
    await quote(1, 99, 'B');
    await tend(60);
    const [summary] = await summaries();
    expect(summary).toMatchObject({ category: 'alerts:B', params: { symbols: [{ symbol: 'B' }] } });
  });

  test('all of them finds the message in the inbox, and nothing rings', async () => {
    const { sql } = db();
    await subscribe(sql, user);
    await prefer(sql, user, { muted_categories: ['alerts'] });
    await alerts(LIMIT + 2, ['A']);
    await quote(0, 101, 'A');
    await tend(60);
    await release(sql, plus(MORNING, 60));
    const [summary] = await summaries();
    expect((await deliveriesOf(sql, summary?.id as string)).map(({ state }) => state)).toEqual([
      'suppressed',
    ]);
  });
});

describe('the words', () => {
  beforeEach(async () => {
    await alerts(LIMIT + 2);
    await quote(0, 101);
  });

  test('are those of a template, in the language of each', async () => {
    const { sql } = db();
    await saveTemplates(
      sql,
      {
        key: 'more',
        title: '{{count}} more',
        body: '{{names}}',
        url: '/alerts',
        sample: { count: 2, names: 'DAX' },
      },
      { key: 'more', locale: 'de', title: 'Noch {{count}}', body: '{{names}}' },
    );
    await sql`update push.settings set alert_summary_template = 'more'`;
    await prefer(sql, user, { locale: 'de-AT' });
    await tend(60);
    expect(await summaries()).toMatchObject([{ title: 'Noch 2', body: 'DAX × 2', url: '/alerts' }]);
  });

  test('are plain where the template is missing, with an alarm until settings name it no more', async () => {
    const { sql } = db();
    await sql`update push.settings set alert_template = 'alert', alert_summary_template = 'more'`;
    const alarms = () => sql`select code, subject, resolved_at is null as open from push.alarms`;
    await tend(60);
    expect(await summaries()).toMatchObject([{ title: '🔴 2 more alerts' }]);
    expect([...(await alarms())]).toContainEqual({
      code: 'alert_template_failed',
      subject: 'more',
      open: true,
    });
    await sql`update push.settings set alert_summary_template = null`;
    await tend(120);
    expect([...(await alarms())]).toContainEqual({
      code: 'alert_template_failed',
      subject: 'more',
      open: false,
    });
  });

  test('that a trigger of the project refuses cost their user alone, and raise an alarm', async () => {
    const { sql } = db();
    const other = (await createUser(sql)).id;
    await alerts(LIMIT + 3, ['BTC'], {}, other);
    await quote(5, 101, 'BTC');
    await sql.unsafe(`
      create function public.no_two() returns trigger language plpgsql as $$
      begin
        if new.title like '% 2 %' then raise exception 'unlucky'; end if;
        return new;
      end $$;
      create trigger no_two before insert on public.push_notifications for each row execute function public.no_two();`);
    try {
      expect(await tend(60)).toMatchObject({ summaries: 1 });
      expect(await summaries()).toMatchObject([{ user_id: other, title: '🔴 3 more alerts' }]);
      expect([...(await sql`select code from push.alarms`)]).toEqual([{ code: 'alert_not_told' }]);
    } finally {
      await sql`drop function public.no_two cascade`;
    }
  });
});

describe('no transaction waits', () => {
  const open = (session: Session, symbol: string, value: number, seconds: number) =>
    recordQuotes(session.sql, [{ symbol, value }], plus(MORNING, seconds));

  test('for another quote that tells the same user', async () => {
    const { sql, url } = db();
    await alerts(LIMIT, ['A', 'B']);
    await withSessions(url, 2, async (a, b) => {
      await a.sql`begin`;
      await open(a, 'A', 101, 0);
      const second = open(b, 'B', 101, 0);
      expect(await endsOrWaits(sql, b, second)).toBe('ends');
      await a.sql`commit`;
    });
    // Neither has seen the other's count.
    expect(await told()).toBe(2 * LIMIT);
    await quote(1, 99, 'A', 'B');
    expect(await told()).toBe(2 * LIMIT);
  });

  test('for the minute’s look, nor it for a quote', async () => {
    const { sql, url } = db();
    await alerts(LIMIT, ['A'], { condition: 'above', cooldown: '1 second' });
    await makeAlert(sql, { symbol: 'A', threshold: 102 }, user);
    for (const [seconds, value] of [
      [0, 101],
      [0.1, 99],
      [0.2, 101],
    ] as const)
      await quote(seconds, value, 'A');
    await withSessions(url, 2, async (tender, writer) => {
      await tender.sql`begin`;
      const [row] = await tender.sql`select push.fire_missed_alerts(100, ${plus(MORNING, 2)}) as fired`;
      expect(row?.fired).toBe(LIMIT);
      expect(await endsOrWaits(sql, writer, open(writer, 'A', 103, 3))).toBe('ends');
      await tender.sql`commit`;
      await writer.sql`begin`;
      await open(writer, 'A', 99, 5);
      await open(writer, 'A', 103, 6);
      const look = tender.sql`select push.fire_missed_alerts(100, ${plus(MORNING, 7)})`.execute();
      expect(await endsOrWaits(sql, tender, look)).toBe('ends');
      await writer.sql`commit`;
    });
  });

  test('at the end of the minute for a transaction that holds a limit of the user', async () => {
    const { sql, url } = db();
    await throttle(sql, 'alerts', 1000);
    await alerts(LIMIT + 1);
    await quote(0, 101);
    await withSessions(url, 2, async (a, b) => {
      await a.sql`begin`;
      await a.sql`select push.notify(${user}, 'Hello', p_category => 'alerts')`;
      const tending = b.sql`select push.tick_alerts(100, ${plus(MORNING, 60)})`.execute();
      expect(await endsOrWaits(sql, b, tending)).toBe('ends');
      await a.sql`commit`;
    });
    expect(await summaries()).toHaveLength(1);
  });

  test('for a user who is being deleted: told later, or never', async () => {
    const { sql, url } = db();
    await alerts(LIMIT + 1);
    await quote(0, 101);
    await withSessions(url, 1, async (a) => {
      await a.sql`begin`;
      await a.sql`delete from auth.users where id = ${user}`;
      expect(await tend(60)).toMatchObject({ summaries: 0 });
      await a.sql`rollback`;
      expect(await tend(61)).toMatchObject({ summaries: 1 });
    });
    await quote(120, 99);
    await sql`delete from auth.users where id = ${user}`;
    expect(await tend(180)).toMatchObject({ summaries: 0 });
    expect(await sql`select from push.alert_counts`).toHaveLength(0);
  });
});

test('however a market moves, each user is told up to the limit and how many more there were', async () => {
  const { sql } = db();
  const random = generator(23);
  const symbols = ['A', 'B', 'C', 'D'];
  const users = [user, (await createUser(sql)).id, (await createUser(sql)).id];
  await setSetting(sql, 'alerts_per_minute', 3);
  for (const [index, owner] of users.entries()) await alerts(1 + 2 * index, symbols, {}, owner);
  const expected = new Map<string, [told: number, folded: number]>();
  const sides = new Map(symbols.map((symbol) => [symbol, 99]));
  for (let minute = 0; minute < 12; minute += 1) {
    const fired = users.map(() => 0);
    for (let second = 0; second < 60; second += 12) {
      const moved = symbols.filter(() => random() < 0.3);
      for (const symbol of moved) sides.set(symbol, sides.get(symbol) === 99 ? 101 : 99);
      await recordQuotes(
        sql,
        symbols.map((symbol) => ({ symbol, value: sides.get(symbol) })),
        plus(MORNING, minute * 60 + second),
      );
      for (const index of users.keys()) fired[index] = (fired[index] ?? 0) + moved.length * (1 + 2 * index);
    }
    await tend((minute + 1) * 60);
    for (const [index, owner] of users.entries()) {
      const [before, folded] = expected.get(owner) ?? [0, 0];
      const all = fired[index] as number;
      expected.set(owner, [before + Math.min(all, 3), folded + Math.max(all - 3, 0)]);
    }
  }
  const rows = await sql<{ user_id: string; told: number; folded: number; fired: number }[]>`
    select n.user_id, count(*) filter (where n.idempotency_key is not null)::int as told,
      coalesce(sum((n.params ->> 'count')::int), 0)::int as folded,
      (select sum(a.times_fired)::int from public.push_alerts as a where a.user_id = n.user_id) as fired
    from public.push_notifications as n group by n.user_id`;
  expect(new Map(rows.map(({ user_id, told, folded }) => [user_id, [told, folded]]))).toEqual(expected);
  for (const { told, folded, fired } of rows) expect(told + folded).toBe(fired);
});
