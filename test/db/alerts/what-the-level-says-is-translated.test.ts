import { beforeEach, expect, test } from 'vitest';
import { type AlertInput, clearAlerts, course, makeAlert, toldByAlerts } from '../../support/alerts.ts';
import { createUser } from '../../support/postgres.ts';
import { clearQueue } from '../../support/queue.ts';
import { saveTemplates } from '../../support/templates.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  const { sql } = db();
  await clearAlerts(sql);
  await clearQueue(sql);
  await sql`update push.settings set alert_level_template = null`;
});

/** What an alert at 100 that the last value crosses tells. */
async function crossed(alert: AlertInput = {}, values = [99, 101], userId?: string) {
  await makeAlert(db().sql, alert, userId);
  await course(db().sql, values);
  const [message] = await toldByAlerts(db().sql);
  return message;
}

const alarms = async () =>
  (await db().sql`select code, subject, resolved_at is null as open from push.alarms order by code`).map(
    (row) => row,
  );

test('what the level says is a template of the project too, in the language of each user', async () => {
  const { sql } = db();
  const level = (above: string, below: string, unit: string) =>
    `{{#is_level}}{{level_type}}{{/is_level}}{{#is_value}}{{#above}}${above}{{/above}}{{#below}}${below}{{/below}} {{level_price}}{{/is_value}}` +
    `{{#is_change}}{{change}} % / {{#minutes}}{{minutes}} ${unit}{{/minutes}}{{#hours}}{{hours}} h{{/hours}}{{/is_change}}`;
  await saveTemplates(
    sql,
    {
      key: 'level_words',
      title: level('Over', 'Under', 'minutes'),
      sample: {
        level_type: 'yesterday_high',
        level_price: 100,
        change: 1.5,
        minutes: 5,
        hours: 1,
        above: true,
        below: false,
        is_value: true,
        is_level: false,
        is_change: false,
      },
    },
    { key: 'level_words', locale: 'de', title: level('Über', 'Unter', 'Minuten') },
  );
  await sql`update push.settings set alert_level_template = 'level_words'`;
  expect(await crossed()).toMatchObject({ title: '🔴 DAX - Over 100', params: { level: 'Over 100' } });

  await clearAlerts(sql);
  await clearQueue(sql);
  const { id } = await createUser(sql);
  await sql`insert into public.push_preferences (user_id, locale) values (${id}, 'de-AT')`;
  expect(await crossed({ condition: 'below', title: '{{symbol}}: {{level}}' }, [101, 99], id)).toMatchObject({
    title: 'DAX: Unter 100',
  });
  expect(await alarms()).toEqual([]);
});

test('without the template that says the level it is said in English, and an alarm says why', async () => {
  const { sql } = db();
  await sql`update push.settings set alert_level_template = 'gone'`;
  expect(await crossed()).toMatchObject({ title: '🔴 DAX - Above 100' });
  expect(await alarms()).toEqual([{ code: 'alert_template_failed', subject: 'gone', open: true }]);
});
