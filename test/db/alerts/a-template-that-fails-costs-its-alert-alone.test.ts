import { beforeEach, expect, test } from 'vitest';
import {
  type AlertInput,
  clearAlerts,
  course,
  MORNING,
  makeAlert,
  toldByAlerts,
} from '../../support/alerts.ts';
import { createUser } from '../../support/postgres.ts';
import { prefer } from '../../support/preferences.ts';
import { clearQueue, plus } from '../../support/queue.ts';
import { saveTemplates, type TemplateValues } from '../../support/templates.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  const { sql } = db();
  await clearAlerts(sql);
  await clearQueue(sql);
  await sql`update push.settings set alert_template = null, alert_level_template = null`;
  await sql`delete from public.push_templates`;
  await sql`delete from push.alarms`;
});

/** An alert of a new user who wants messages in this language. */
async function alertIn(locale: string, alert: AlertInput = {}): Promise<void> {
  const { id } = await createUser(db().sql);
  await prefer(db().sql, id, { locale });
  await makeAlert(db().sql, alert, id);
}

const use = async (setting: 'alert_template' | 'alert_level_template', ...rows: TemplateValues[]) => {
  const { sql } = db();
  await saveTemplates(sql, ...rows);
  await sql`update push.settings set ${sql({ [setting]: rows[0]?.key })}`;
};

const titles = async () => (await toldByAlerts(db().sql)).map(({ title }) => title).sort();

const alarms = async () => [
  ...(await db()
    .sql`select code, subject, message, resolved_at is null as open from push.alarms order by subject`),
];

test("a translation that wants more than alerts have costs that language's alerts their template, and no other's", async () => {
  await use(
    'alert_template',
    {
      key: 'alert',
      title: '{{symbol}} at {{current_price}}',
      sample: { symbol: 'DAX', current_price: 1, farbe: 'rot' },
    },
    { key: 'alert', locale: 'de', title: '{{symbol}} {{farbe}}' },
    { key: 'alert', locale: 'fr', title: '{{symbol}} à {{current_price}}' },
  );
  for (const locale of ['en', 'de', 'fr', 'de-AT', 'en']) await alertIn(locale);
  expect(await course(db().sql, [99, 101])).toEqual([0, 5]);
  expect(await titles()).toEqual([
    'DAX at 101',
    'DAX at 101',
    'DAX à 101',
    '🔴 DAX - Above 100',
    '🔴 DAX - Above 100',
  ]);
  expect(await alarms()).toEqual([
    {
      code: 'alert_template_failed',
      subject: 'alert',
      message: 'Alerts are sent without template alert (de): Template alert needs farbe.',
      open: true,
    },
  ]);
});

test('a template that fails for some alerts fails for them alone', async () => {
  await use('alert_template', {
    key: 'alert',
    title: '{{symbol}}{{#setup}} {{colour}}{{/setup}}!',
    sample: { symbol: 'DAX', setup: 'a', colour: 'red' },
  });
  for (const setup of [null, 'Breakout', null]) await makeAlert(db().sql, { setup });
  expect(await course(db().sql, [99, 101])).toEqual([0, 3]);
  expect(await titles()).toEqual(['DAX!', 'DAX!', '🔴 DAX - Above 100']);
  expect(await alarms()).toMatchObject([
    {
      subject: 'alert',
      message: expect.stringContaining('without template alert: Template alert needs colour'),
      open: true,
    },
  ]);
});

test('a text that becomes too long for a message is left out of that message alone', async () => {
  await use('alert_template', {
    key: 'alert',
    title: '{{symbol}} {{setup}}',
    url: `/charts/${'{{setup}}'.repeat(40)}`,
    sample: { symbol: 'DAX', setup: 'a' },
  });
  for (const setup of ['a', 'b', 'x'.repeat(200), 'c', 'd']) await makeAlert(db().sql, { setup });
  expect(await course(db().sql, [99, 101])).toEqual([0, 5]);
  expect(await titles()).toEqual(['DAX a', 'DAX b', 'DAX c', 'DAX d', '🔴 DAX - Above 100']);
  expect(await alarms()).toMatchObject([
    {
      code: 'alert_template_failed',
      subject: 'alert',
      message: expect.stringContaining('without template alert'),
      open: true,
    },
  ]);
});

test('a template of the level that fails costs the level alone, and the alarm names it', async () => {
  await use(
    'alert_level_template',
    { key: 'level', title: 'Over {{level_price}}', sample: { level_price: 100, farbe: 'rot' } },
    { key: 'level', locale: 'de', title: 'Über {{farbe}}' },
  );
  await use('alert_template', {
    key: 'alert',
    title: '{{symbol}}: {{level}}',
    sample: { symbol: 'DAX', level: 'a' },
  });
  for (const locale of ['en', 'de', 'en']) await alertIn(locale);
  expect(await course(db().sql, [99, 101])).toEqual([0, 3]);
  expect(await titles()).toEqual(['DAX: Above 100', 'DAX: Over 100', 'DAX: Over 100']);
  expect(await alarms()).toMatchObject([
    {
      subject: 'level',
      message: 'Alerts are sent without template level (de): Template level needs farbe.',
      open: true,
    },
  ]);
});

test('the level is said with all that the message is said with', async () => {
  const sample = {
    symbol: 'DAX',
    setup: 'a',
    direction: 'up',
    current_price: 1,
    level_price: 1,
    change: 1,
    level_type: 'a',
  };
  const title =
    '{{symbol}} {{setup}} {{direction}} {{current_price}} {{level_price}} {{change}} {{level_type}}';
  await use('alert_level_template', { key: 'level', title, sample });
  await use('alert_template', {
    key: 'alert',
    title: `${title} ({{level}})`,
    sample: { ...sample, level: 'a' },
  });
  await makeAlert(db().sql, { setup: 'Breakout' });
  await makeAlert(db().sql, { setup: 'Own', title: '{{level_type}} {{alert_id}} {{setup}}' });
  await course(db().sql, [99, 101]);
  const said = 'DAX Breakout up 101 100 1.00 crosses_above';
  expect(await titles()).toEqual(
    [expect.stringMatching(/^crosses_above [-0-9a-f]{36} Own$/), `${said} (${said})`].sort(),
  );
  expect(await alarms()).toEqual([]);
});

test('the alarm stays until the template is changed, whichever alerts fire', async () => {
  const { sql } = db();
  await use(
    'alert_template',
    { key: 'alert', title: '{{symbol}}!', sample: { symbol: 'DAX', farbe: 'rot' } },
    { key: 'alert', locale: 'de', title: '{{farbe}}' },
  );
  await alertIn('de', { symbol: 'BTC' });
  await makeAlert(sql);
  await course(sql, [99, 101], { symbol: 'BTC' });
  await course(sql, [99, 101]);
  expect(await alarms()).toMatchObject([{ subject: 'alert', open: true }]);
  await sql`update public.push_templates set title = '{{symbol}}' where locale = 'de'`;
  await course(sql, [99, 101], { start: plus(MORNING, 600) });
  expect(await alarms()).toMatchObject([{ subject: 'alert', open: false }]);
});
