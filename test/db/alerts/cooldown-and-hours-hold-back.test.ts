import { beforeEach, describe, expect, test } from 'vitest';
import { type AlertInput, clearAlerts, makeAlert, readAlert, recordQuotes } from '../../support/alerts.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearAlerts(db().sql));

const quote = async (at: string, value: number) =>
  (await recordQuotes(db().sql, [{ symbol: 'DAX', value }], new Date(at))).fired;
const tend = async (at: string) =>
  (await db().sql`select push.tick_alerts(10000, ${new Date(at)}) as done`)[0]?.done.fired;
/** How many fire of a value of 99 and one of 101 a second later. */
async function cross(at: string): Promise<number> {
  await quote(at, 99);
  return await quote(new Date(Date.parse(at) + 1000).toISOString(), 101);
}

describe('a cooldown', () => {
  const cooling = (condition: string) => makeAlert(db().sql, { condition, cooldown: '10 minutes' });

  test('keeps what crosses silent until it is over, and counts what it held back', async () => {
    const alert = await cooling('crosses_above');
    expect(await cross('2040-06-04T08:00:00Z')).toBe(1);
    expect(await cross('2040-06-04T08:05:00Z')).toBe(0);
    expect(await cross('2040-06-04T08:09:59Z')).toBe(0);
    expect(await readAlert(db().sql, alert)).toMatchObject({
      times_fired: 1,
      held_back: 2,
      held_until: null,
    });
    expect(await tend('2040-06-04T08:15:00Z')).toBe(0);
    expect(await cross('2040-06-04T08:16:00Z')).toBe(1);
  });

  test('is over to the second', async () => {
    await cooling('crosses_above');
    expect(await cross('2040-06-04T08:00:00Z')).toBe(1);
    expect(await cross('2040-06-04T08:10:00Z')).toBe(1);
  });

  test('lets above be told after it, if that still holds', async () => {
    const alert = await cooling('above');
    await cross('2040-06-04T08:00:00Z');
    expect(await cross('2040-06-04T08:05:00Z')).toBe(0);
    expect(await readAlert(db().sql, alert)).toMatchObject({ held_until: new Date('2040-06-04T08:10:01Z') });
    expect(await tend('2040-06-04T08:10:00Z')).toBe(0);
    expect(await tend('2040-06-04T08:11:00Z')).toBe(1);
    expect(await tend('2040-06-04T08:12:00Z')).toBe(0);
    expect(await readAlert(db().sql, alert)).toMatchObject({
      times_fired: 2,
      held_back: 1,
      held_until: null,
    });
  });

  test('lets above be forgotten, if it holds no more', async () => {
    const alert = await cooling('above');
    await cross('2040-06-04T08:00:00Z');
    await cross('2040-06-04T08:05:00Z');
    await quote('2040-06-04T08:06:00Z', 99);
    expect(await tend('2040-06-04T08:11:00Z')).toBe(0);
    expect(await readAlert(db().sql, alert)).toMatchObject({ armed: true, held_until: null, times_fired: 1 });
  });

  test('tells nothing by a value that is stale', async () => {
    await cooling('above');
    await cross('2040-06-04T08:00:00Z');
    await cross('2040-06-04T08:05:00Z');
    expect(await tend('2040-06-04T08:35:02Z')).toBe(0);
    expect(await quote('2040-06-04T08:40:00Z', 102)).toBe(0);
    expect(await tend('2040-06-04T08:41:00Z')).toBe(1);
  });

  test('goes on when its alert is switched off and on', async () => {
    const alert = await cooling('crosses_above');
    await cross('2040-06-04T08:00:00Z');
    await db().sql`update public.push_alerts set enabled = false where id = ${alert}`;
    await db().sql`update public.push_alerts set enabled = true where id = ${alert}`;
    expect(await cross('2040-06-04T08:05:00Z')).toBe(0);
    expect(await readAlert(db().sql, alert)).toMatchObject({ held_back: 1 });
  });
});

describe('active hours', () => {
  const active = (from: string, until: string, timezone: string, alert: AlertInput = {}) =>
    makeAlert(db().sql, { active_from: from, active_until: until, timezone, ...alert });
  /** At which of these moments a crossing fires. */
  async function open(...moments: string[]): Promise<string[]> {
    const fired: string[] = [];
    for (const moment of moments) if (await cross(moment)) fired.push(moment);
    return fired;
  }

  test('let it fire from the first minute on until before the last', async () => {
    await active('09:00', '17:30', 'UTC');
    expect(
      await open(
        '2040-06-04T08:59:58Z',
        '2040-06-04T09:00:00Z',
        '2040-06-04T17:29:58Z',
        '2040-06-04T17:29:59Z',
      ),
    ).toEqual(['2040-06-04T09:00:00Z', '2040-06-04T17:29:58Z']);
  });

  test('go over midnight', async () => {
    await active('22:00', '06:00', 'UTC');
    expect(
      await open(
        '2040-06-04T21:59:00Z',
        '2040-06-04T22:00:00Z',
        '2040-06-05T00:00:00Z',
        '2040-06-05T05:59:00Z',
        '2040-06-05T06:00:00Z',
      ),
    ).toEqual(['2040-06-04T22:00:00Z', '2040-06-05T00:00:00Z', '2040-06-05T05:59:00Z']);
  });

  test('are those of another timezone, whichever day it is there', async () => {
    await active('09:00', '15:00', 'Asia/Tokyo');
    expect(
      await open(
        '2040-06-04T23:59:00Z',
        '2040-06-05T00:00:00Z',
        '2040-06-05T05:59:00Z',
        '2040-06-05T06:00:00Z',
      ),
    ).toEqual(['2040-06-05T00:00:00Z', '2040-06-05T05:59:00Z']);
  });

  test('move with the clocks', async () => {
    await active('09:00', '10:00', 'America/New_York');
    // The clocks go forward on 11 March 2040 and back on 4 November.
    expect(
      await open(
        '2040-03-10T14:30:00Z',
        '2040-03-11T13:30:00Z',
        '2040-03-11T14:30:00Z',
        '2040-11-03T13:30:00Z',
        '2040-11-04T13:30:00Z',
        '2040-11-04T14:30:00Z',
      ),
    ).toEqual([
      '2040-03-10T14:30:00Z',
      '2040-03-11T13:30:00Z',
      '2040-11-03T13:30:00Z',
      '2040-11-04T14:30:00Z',
    ]);
  });

  test.each([
    // From 02:00 to 03:00 there is no time on 25 March 2040 in Vienna; on 28 October it comes twice.
    [
      'that begin in the hour which is left out begin after it',
      '02:30',
      '2040-03-24T20:00:00Z',
      '2040-03-25T01:30:00Z',
    ],
    ['of a day with clocks set back begin by them', '09:00', '2040-10-27T20:00:00Z', '2040-10-28T08:00:00Z'],
    [
      'of a day with clocks set forward begin by them',
      '09:00',
      '2040-03-24T20:00:00Z',
      '2040-03-25T07:00:00Z',
    ],
    ['later on the same day begin today', '23:00', '2040-06-04T20:00:00Z', '2040-06-04T21:00:00Z'],
  ])('%s', async (_, from, outside, opens) => {
    const alert = await active(from, from === '23:00' ? '23:30' : '10:00', 'Europe/Vienna', {
      condition: 'above',
    });
    expect(await cross(outside)).toBe(0);
    expect(await readAlert(db().sql, alert)).toMatchObject({ held_back: 1, held_until: new Date(opens) });
  });

  test('hold back in silence what crosses, and tell above when they begin', async () => {
    const [crossing, above] = [
      await active('09:00', '17:00', 'UTC'),
      await active('09:00', '17:00', 'UTC', { condition: 'above' }),
    ];
    expect(await cross('2040-06-04T08:50:00Z')).toBe(0);
    expect(await readAlert(db().sql, crossing)).toMatchObject({
      held_back: 1,
      armed: false,
      last_side: 'above',
      held_until: null,
    });
    expect(await tend('2040-06-04T09:00:00Z')).toBe(1);
    expect(await readAlert(db().sql, above)).toMatchObject({ times_fired: 1 });
    expect(await readAlert(db().sql, crossing)).toMatchObject({ times_fired: 0 });
  });

  test('count with a cooldown: the later of the two ends it', async () => {
    const alert = await active('09:00', '17:00', 'UTC', { condition: 'above', cooldown: '30 minutes' });
    expect(await cross('2040-06-04T16:50:00Z')).toBe(1);
    expect(await cross('2040-06-04T16:55:00Z')).toBe(0);
    await quote('2040-06-04T17:20:01Z', 102);
    expect(await tend('2040-06-04T17:21:00Z')).toBe(0);
    expect(await readAlert(db().sql, alert)).toMatchObject({
      held_back: 1,
      held_until: new Date('2040-06-05T09:00:00Z'),
    });
  });

  test('of a zone that this release of Postgres has no more are read as those of UTC, and stop no quotes', async () => {
    const alert = await active('09:00', '17:00', 'Europe/Vienna');
    await db().sql.begin(async (t) => {
      await t`alter table public.push_alerts disable trigger user`;
      await t`update public.push_alerts set timezone = 'Europe/Atlantis'`;
      await t`alter table public.push_alerts enable trigger user`;
    });
    expect(await open('2040-06-04T08:30:00Z', '2040-06-04T09:30:00Z')).toEqual(['2040-06-04T09:30:00Z']);
    expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 1, held_back: 1 });
  });
});
