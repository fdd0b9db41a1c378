import { beforeAll, describe, expect, test } from 'vitest';
import { type AlertInput, makeAlert } from '../../support/alerts.ts';
import { createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let owner: string;
beforeAll(async () => {
  owner = (await createUser(db().sql)).id;
});

const LEVEL = { condition: 'level', level: 'pivot_point' };
const CHANGE = { condition: 'percent_change', threshold: 5, window_minutes: 10 };
// Texts, since JSON has no such numbers.
const number = (value: string) => value as unknown as number;

describe.each<[string, string, AlertInput]>([
  ['a symbol with a space', 'symbol_malformed', { symbol: 'DA X' }],
  ['a symbol with braces', 'symbol_malformed', { symbol: '{{symbol}}' }],
  ['a symbol of 65 bytes', 'symbol_malformed', { symbol: 'x'.repeat(65) }],
  ['a condition that is none', 'condition_unknown', { condition: 'near' }],
  ['no threshold', 'alert_malformed', { threshold: null }],
  ['a window without a change', 'alert_malformed', { window_minutes: 5 }],
  ['a direction without a change', 'alert_malformed', { direction: 'up' }],
  ['a level beside a threshold', 'alert_malformed', { level: 'pivot_point' }],
  ['a change without a window', 'alert_malformed', { ...CHANGE, window_minutes: 0 }],
  ['a change over a window of seven minutes', 'alert_malformed', { ...CHANGE, window_minutes: 7 }],
  ['a change of nothing', 'alert_malformed', { ...CHANGE, threshold: 0 }],
  ['a change of less than nothing', 'alert_malformed', { ...CHANGE, threshold: -5 }],
  ['a change without a percentage', 'alert_malformed', { ...CHANGE, threshold: null }],
  ['a change sideways', 'alert_malformed', { ...CHANGE, direction: 'sideways' }],
  ['a change of a level', 'alert_malformed', { ...CHANGE, level: 'pivot_point' }],
  ['no level', 'alert_malformed', { condition: 'level' }],
  ['a level with capitals', 'alert_malformed', { ...LEVEL, level: 'Pivot' }],
  ['a level with a threshold', 'alert_malformed', { ...LEVEL, threshold: 5 }],
  ['a level met somehow', 'alert_malformed', { ...LEVEL, level_condition: 'near' }],
  ['NaN as a threshold', 'alert_number_invalid', { threshold: number('NaN') }],
  ['infinity as a threshold', 'alert_number_invalid', { threshold: number('Infinity') }],
  ['a change by NaN', 'alert_number_invalid', { ...CHANGE, threshold: number('NaN') }],
  ['a threshold beyond what quotes can have', 'alert_number_invalid', { threshold: 1e101 }],
  ['less than no hysteresis', 'alert_number_invalid', { hysteresis: -1 }],
  ['NaN as hysteresis', 'alert_number_invalid', { hysteresis: number('NaN') }],
  ['a hysteresis in yards', 'alert_number_invalid', { hysteresis_unit: 'yards' }],
  ['less than no cooldown', 'cooldown_out_of_range', { cooldown: '-1 second' }],
  ['a cooldown of years', 'cooldown_out_of_range', { cooldown: '367 days' }],
  [
    'a cooldown of ages forth and back',
    'cooldown_out_of_range',
    { cooldown: '60000000 months -1799999900 days' },
  ],
  ['a cooldown with something taken away', 'cooldown_out_of_range', { cooldown: '1 day -1 second' }],
  ['a body that takes long to read', 'text_too_complex', { body: '{'.concat('a{'.repeat(60)) }],
  ['a title of line breaks', 'text_too_complex', { title: 'a\n'.repeat(61) }],
  ['half of active hours', 'active_hours_incomplete', { active_from: '09:00', timezone: 'UTC' }],
  [
    'active hours of no length',
    'active_hours_incomplete',
    { active_from: '09:00', active_until: '09:00', timezone: 'UTC' },
  ],
  [
    'active hours from the end of the day',
    'active_hours_incomplete',
    { active_from: '24:00', active_until: '09:00', timezone: 'UTC' },
  ],
  ['active hours nowhere', 'timezone_missing', { active_from: '09:00', active_until: '17:00' }],
  ['a timezone that is none', 'timezone_unknown', { timezone: 'Europe/Atlantis' }],
  ['an urgency that is none', 'urgency_unknown', { urgency: 'urgent' }],
  ['a title of too many bytes', 'text_too_large', { title: 'x'.repeat(401) }],
  ['a body of too many bytes', 'text_too_large', { body: 'x'.repeat(2001) }],
  ['a setup of too many bytes', 'text_too_large', { setup: 'ä'.repeat(101) }],
  ['a title with a variable that alerts do not have', 'template_variable_unknown', { title: '{{colour}}' }],
  ['a body that is no Mustache', 'template_syntax', { body: '{{#setup}}' }],
])('%s', (_, code, alert) => {
  test('is refused with a reason and advice, when made and when changed', async () => {
    const { sql } = db();
    const refusal = await refusalOf(makeAlert(sql, alert, owner));
    expect(refusal).toMatchObject({
      sqlstate: expect.stringMatching(/^PT4/),
      code,
      hint: expect.stringMatching(/\w/),
    });
    const good = await makeAlert(sql, {}, owner);
    const changed = sql`update public.push_alerts set ${sql({ ...(alert.condition === 'level' ? { threshold: null } : {}), ...alert } as never)} where id = ${good}`;
    expect((await refusalOf(changed)).code).toBe(code);
  });
});

test('an unknown variable is named', async () => {
  const refusal = await refusalOf(makeAlert(db().sql, { title: '{{symbol}} {{colour}}' }, owner));
  expect(refusal.message).toContain('colour');
});

test('constraints stand behind it, were the trigger not there', async () => {
  const { sql } = db();
  const good = await makeAlert(sql, {}, owner);
  await sql`alter table public.push_alerts disable trigger user`;
  try {
    for (const change of [
      'threshold = null',
      `threshold = 'NaN'`,
      `hysteresis = 'Infinity'`,
      `condition = 'near'`,
      `condition = 'level'`,
      `symbol = 'DA X'`,
      `cooldown = '-1 second'`,
      `active_from = '09:00'`,
      `setup = repeat('x', 201)`,
      `urgency = 'urgent'`,
      `direction = 'up'`,
    ]) {
      const changed = sql`update public.push_alerts set ${sql.unsafe(change)} where id = ${good}`;
      expect([change, (await refusalOf(changed)).sqlstate]).toEqual([change, '23514']);
    }
  } finally {
    await sql`alter table public.push_alerts enable trigger user`;
  }
});
