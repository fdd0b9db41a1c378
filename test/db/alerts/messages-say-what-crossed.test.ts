import { beforeEach, expect, test } from 'vitest';
import {
  type AlertInput,
  clearAlerts,
  course,
  MORNING,
  makeAlert,
  readAlert,
  toldByAlerts,
} from '../../support/alerts.ts';
import { createUser } from '../../support/postgres.ts';
import { deliveriesOf, prefer } from '../../support/preferences.ts';
import { clearQueue, plus } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { saveTemplates } from '../../support/templates.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  const { sql } = db();
  await clearAlerts(sql);
  await clearQueue(sql);
  await sql`update push.settings set alert_template = null`;
  await sql`delete from public.push_templates`;
  await sql`delete from push.alarms`;
});

/** What an alert at 100 that the value of 101 crosses tells. */
async function crossed(alert: AlertInput = {}, values = [99, 101]) {
  await makeAlert(db().sql, alert);
  await course(db().sql, values);
  const [message] = await toldByAlerts(db().sql);
  return message;
}

const alarms = async () =>
  (await db().sql`select code, subject, resolved_at is null as open from push.alarms order by code`).map(
    (row) => row,
  );

async function yesterdayHigh() {
  await db()
    .sql`insert into public.push_levels (symbol, level, value) values ('DAX', 'yesterday_high', 18500.35)`;
  return { condition: 'level', level: 'yesterday_high' };
}

test('by default it says symbol, level, setup, where the level is and the price', async () => {
  const message = await crossed({ ...(await yesterdayHigh()), setup: 'Breakout' }, [18400, 18512.5]);
  expect(message).toMatchObject({
    title: '🔴 DAX - Yesterday High',
    body: 'Breakout · level 18500.35 · now 18512.5',
    category: 'alerts:DAX',
    urgency: 'high',
    params: {
      symbol: 'DAX',
      level: 'Yesterday High',
      level_type: 'yesterday_high',
      level_price: 18500.35,
      current_price: 18512.5,
      change: 0.07,
      direction: 'up',
      setup: 'Breakout',
    },
  });
});

test('without a setup nothing stands in its place', async () => {
  expect(await crossed()).toMatchObject({
    title: '🔴 DAX - Above 100',
    body: 'level 100 · now 101',
    params: { setup: '' },
  });
});

test.each<[string, AlertInput, number[], string, Record<string, unknown>]>([
  [
    'below',
    { condition: 'below' },
    [101, 99.5],
    '🔴 DAX - Below 100',
    { level_type: 'below', direction: 'down', change: -0.5 },
  ],
  [
    'crossing up',
    { condition: 'crosses' },
    [99, 101],
    '🔴 DAX - Above 100',
    { level_type: 'crosses', direction: 'up' },
  ],
  [
    'crossing down',
    { condition: 'crosses' },
    [101, 99],
    '🔴 DAX - Below 100',
    { level_type: 'crosses', direction: 'down' },
  ],
  [
    'a small number',
    { threshold: 0.00000012 },
    [0, 1e-6],
    '🔴 DAX - Above 0.00000012',
    { level_price: 1.2e-7 },
  ],
  ['zero', { threshold: 0 }, [-1, 1], '🔴 DAX - Above 0', { change: null }],
])('%s is named so', async (_, alert, values, title, params) => {
  expect(await crossed(alert, values)).toMatchObject({ title, params });
});

test('a change is named with its sign and window', async () => {
  for (const [minutes, words] of [
    [1, '1 min'],
    [15, '15 min'],
    [60, '1 h'],
    [1440, '24 h'],
  ] as const) {
    await clearAlerts(db().sql);
    await makeAlert(db().sql, { condition: 'percent_change', threshold: 5, window_minutes: minutes });
    await course(db().sql, [100, 100, 105.031], { seconds: minutes * 60 });
    expect(await toldByAlerts(db().sql)).toMatchObject([
      {
        title: `🔴 DAX - +5.03 % in ${words}`,
        body: 'now 105.031',
        params: { change: 5.03, level_type: 'percent_change' },
      },
    ]);
  }
});

test('title and body of its own are Mustache over the same values', async () => {
  const alert = {
    ...(await yesterdayHigh()),
    setup: 'Breakout',
    title: '{{symbol}} {{direction}} over {{level}}',
    body: '{{#setup}}{{setup}}: {{/setup}}{{current_price}} ({{change}} % from {{level_price}})',
  };
  expect(await crossed(alert, [18400, 18512.5])).toMatchObject({
    title: 'DAX up over Yesterday High',
    body: 'Breakout: 18512.5 (0.07 % from 18500.35)',
  });
});

test('the name its owner gives it is text, never a template', async () => {
  expect(await crossed({ setup: '{{symbol}}', title: '{{setup}}' })).toMatchObject({
    title: '{{symbol}}',
    body: '{{symbol}} · level 100 · now 101',
  });
});

test('a title that comes to nothing is replaced, since a message needs one', async () => {
  expect(await crossed({ title: '{{#setup}}{{setup}}{{/setup}} ' })).toMatchObject({
    title: '🔴 DAX - Above 100',
  });
});

test('the longest texts there may be are told all the same', async () => {
  const message = await crossed(
    {
      symbol: 'x'.repeat(64),
      setup: '\u0001'.repeat(200),
      title: '{{setup}}{{setup}}{{setup}}{{symbol}}',
      body: '{{setup}}'.repeat(30) + 'x'.repeat(1700),
      threshold: 123456789.12345678,
    },
    [],
  );
  expect(message).toBeUndefined();
  expect(await course(db().sql, [99, 123456789.12345679], { symbol: 'x'.repeat(64) })).toEqual([0, 1]);
});

test('a text that its owner has changed is told as it is then', async () => {
  const { sql } = db();
  const id = await makeAlert(sql, { title: 'Before', body: 'Before' });
  await sql`update public.push_alerts set title = '{{symbol}} after', body = null where id = ${id}`;
  expect(await course(sql, [99, 101])).toEqual([0, 1]);
  expect(await toldByAlerts(sql)).toMatchObject([{ title: 'DAX after', body: 'level 100 · now 101' }]);
});

test("the urgency is the alert's", async () => {
  expect(await crossed({ urgency: 'low' })).toMatchObject({ urgency: 'low' });
});

test('a user who has muted its category, or all alerts, gets no push of it', async () => {
  const { sql } = db();
  for (const [category, state] of [
    ['alerts:DAX', 'suppressed'],
    ['alerts', 'suppressed'],
    ['alerts:BTC', 'queued'],
  ] as const) {
    await clearAlerts(sql);
    const { id } = await createUser(sql);
    await subscribe(sql, id);
    await prefer(sql, id, { muted_categories: [category] });
    await makeAlert(sql, {}, id);
    await course(sql, [99, 101]);
    const [message] = await sql`select id from public.push_notifications where user_id = ${id}`;
    expect((await deliveriesOf(sql, message?.id)).map((delivery) => delivery.state)).toEqual([state]);
  }
});

test('what was held back is told by the price of then', async () => {
  const { sql } = db();
  await makeAlert(sql, { condition: 'above', cooldown: '3 minutes' });
  await course(sql, [99, 101, 99, 102, 103]);
  await sql`select push.tick_alerts(10000, ${plus(MORNING, 300)})`;
  expect((await toldByAlerts(sql)).map(({ body }) => body)).toEqual([
    'level 100 · now 101',
    'level 100 · now 103',
  ]);
});

test('a template of the project speaks for alerts without a text, in the language of each', async () => {
  const { sql } = db();
  await saveTemplates(
    sql,
    {
      key: 'alert',
      title: '{{symbol}} at {{current_price}}',
      url: '/charts/{{symbol}}',
      sample: { symbol: 'DAX', current_price: 101 },
    },
    { key: 'alert', locale: 'de', title: '{{symbol}} bei {{current_price}}' },
  );
  await sql`update push.settings set alert_template = 'alert'`;
  const [anna, ben] = [(await createUser(sql)).id, (await createUser(sql)).id];
  await prefer(sql, anna, { locale: 'de-AT' });
  await makeAlert(sql, {}, anna);
  await makeAlert(sql, {}, ben);
  await makeAlert(sql, { title: 'Own words' }, ben);
  expect(await course(sql, [99, 101])).toEqual([0, 3]);
  const rows = await sql`select title, url, tag, category from public.push_notifications order by title`;
  expect(rows).toMatchObject([
    { title: 'DAX at 101', url: '/charts/DAX', category: 'alerts:DAX' },
    { title: 'DAX bei 101', url: '/charts/DAX', tag: expect.stringMatching(/^alert:/) },
    { title: 'Own words', url: null },
  ]);
  expect(await alarms()).toEqual([]);
});

test('a template that is missing, or wants more than alerts have, raises an alarm, and the alert speaks without it', async () => {
  const { sql } = db();
  await sql`update push.settings set alert_template = 'alert'`;
  await makeAlert(sql);
  expect(await course(sql, [99, 101])).toEqual([0, 1]);
  expect(await toldByAlerts(sql)).toMatchObject([{ title: '🔴 DAX - Above 100' }]);
  await saveTemplates(sql, {
    key: 'alert',
    title: '{{symbol}} {{colour}}',
    sample: { symbol: 'DAX', colour: 'red' },
  });
  expect(await course(sql, [99, 101], { start: plus(MORNING, 600) })).toEqual([0, 1]);
  expect(await alarms()).toEqual([{ code: 'alert_template_failed', subject: 'alert', open: true }]);

  await sql`update public.push_templates set title = '{{symbol}}!'`;
  expect(await course(sql, [99, 101], { start: plus(MORNING, 1200) })).toEqual([0, 1]);
  expect(await alarms()).toMatchObject([{ open: false }]);
});

test('the alarm of a template goes when settings name it no more', async () => {
  const { sql } = db();
  await sql`update push.settings set alert_template = 'alert'`;
  await makeAlert(sql);
  await course(sql, [99, 101]);
  await sql`select push.tick_alerts(10000, ${MORNING})`;
  expect(await alarms()).toMatchObject([{ open: true }]);
  await sql`update push.settings set alert_template = null`;
  await sql`select push.tick_alerts(10000, ${MORNING})`;
  expect(await alarms()).toMatchObject([{ open: false }]);
});

test('a message that cannot be written costs itself alone, and raises an alarm', async () => {
  const { sql } = db();
  await sql.unsafe(`
    create function public.no_thirteen() returns trigger language plpgsql as $$
    begin
      if new.title like '%13%' then raise exception 'unlucky'; end if;
      return new;
    end $$;
    create trigger no_thirteen before insert on public.push_notifications for each row execute function public.no_thirteen();`);
  try {
    const alerts = [];
    for (const threshold of [10, 11, 12, 13, 14, 15, 16]) alerts.push(await makeAlert(sql, { threshold }));
    expect(await course(sql, [1, 99])).toEqual([0, 6]);
    expect((await toldByAlerts(sql)).map(({ title }) => title).sort()).toEqual(
      [10, 11, 12, 14, 15, 16].map((price) => `🔴 DAX - Above ${price}`),
    );
    expect(await alarms()).toEqual([{ code: 'alert_not_told', subject: '', open: true }]);
    expect([...(await sql`select value from public.push_quotes`)]).toEqual([{ value: 99 }]);
    expect(await readAlert(sql, alerts[3] as string)).toMatchObject({ times_fired: 1 });
    for (const [seconds, open] of [
      [0, true],
      [3700, false],
    ] as const) {
      await sql`select push.tick_alerts(10000, ${plus(new Date(), seconds)})`;
      expect(await alarms()).toEqual([{ code: 'alert_not_told', subject: '', open }]);
    }
  } finally {
    await sql`drop function public.no_thirteen cascade`;
  }
});
