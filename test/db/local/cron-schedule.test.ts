import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  dueRuns,
  matchesMinute,
  parseSchedule,
  type Schedule,
} from '../../../tools/local/workers/cron-schedule.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const VALID = [
  '1 seconds',
  '5 seconds',
  '59 seconds',
  '1 second',
  '2 second',
  '10 SECONDS',
  '05 seconds',
  '+5 seconds',
  '5  seconds',
  ' 5 seconds',
  '\n5 seconds',
  '5 seconds ',
  '5seconds',
  '* * * * *',
  '*/5 * * * *',
  '0 9 * * 1-5',
  '0,30 8-18/2 1,15 * *',
  '0 0 $ * *',
  '0 0 * jan-mar Mon',
  '0 0 * jan-3 *',
  '0 0 * * 7',
  '59 23 31 12 0',
  '5-5 * * * *',
  '*/59 * * * *',
  '*/60 * * * *',
  '005 * * * *',
  '0  0\t* * *',
  '   0 0 * * *',
  '\t* * * * *',
  '\n\n# nightly\n 0 0 * * *',
  '* * * * * *',
  '* * * * * and more',
  '* * * * *\n',
  '1-2-3 * * * *',
  '5; * * * *',
  '@daily',
  '@midnight',
  '@hourly',
  '@weekly',
  '@monthly',
  '@yearly',
  '@annually',
  '@reboot',
  '@restart',
  '@daily please',
  ' @daily',
]; // prettier-ignore
const INVALID = [
  '0 seconds',
  '60 seconds',
  '-5 seconds',
  '5.5 seconds',
  '5 second ',
  '5 seconds x',
  '5 secs',
  '1 minute',
  '',
  ' ',
  '#',
  '*',
  '* * * *',
  '* * *\n* *',
  '60 * * * *',
  '* 24 * * *',
  '* * 0 * *',
  '* * 32 * *',
  '* * * 13 *',
  '* * * 0 *',
  '* * * * 8',
  '5/10 * * * *',
  '5- * * * *',
  '5-/2 * * * *',
  '*/ * * * *',
  '*/0 * * * *',
  '9-5 * * * *',
  '1, * * * *',
  ',1 * * * *',
  'a * * * *',
  '5x * * * *',
  '* * * foo *',
  '* * * * mondayish',
  '@',
  '@ daily',
  '@Daily',
  '@dailyish',
  '@toString',
  '@every 5m',
  '* * $,1 * *',
  '* * * $ *',
  '100 * * * *',
  '? * * * *',
  '* * L * *',
  `* * * * * ${'x'.repeat(990)}`,
]; // prettier-ignore

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ migrations: false });
  await database.sql`create extension pg_cron`;
});
afterAll(() => database.drop());

test.each(VALID)('%j is scheduled, and the worker understands it', async (schedule) => {
  await database.sql`select cron.schedule('x', ${schedule}, 'select 1')`;
  expect(parseSchedule(schedule)).toBeDefined();
});

test.each(INVALID)('%j is refused as pg_cron refuses, and by the worker', async (schedule) => {
  await expect(database.sql`select cron.schedule('x', ${schedule}, 'select 1')`).rejects.toMatchObject({
    code: '22023',
    message: `invalid schedule: ${schedule}`,
  });
  expect(parseSchedule(schedule)).toBeUndefined();
});

function cron(text: string): Schedule & { kind: 'cron' } {
  const schedule = parseSchedule(text);
  if (schedule?.kind !== 'cron') throw new Error(`not a cron schedule: ${text}`);
  return schedule;
}

test.each([
  ['30 9 * * *', '2026-03-01T09:30:59Z', true],
  ['30 9 * * *', '2026-03-01T09:31:00Z', false],
  ['*/20 * * * *', '2026-03-01T09:40:00Z', true],
  ['*/20 * * * *', '2026-03-01T09:50:00Z', false],
  ['1-10/3 * * * *', '2026-03-01T09:10:00Z', true],
  ['1-10/3 * * * *', '2026-03-01T09:09:00Z', false],
  ['0 0 * * sun', '2026-03-01T00:00:00Z', true],
  ['0 0 * * 7', '2026-03-01T00:00:00Z', true],
  ['0 0 * * 6', '2026-03-01T00:00:00Z', false],
  // Both days restricted: either will do. One of them a star: both must match.
  ['0 0 13 * fri', '2026-03-13T00:00:00Z', true],
  ['0 0 13 * mon', '2026-03-13T00:00:00Z', true],
  ['0 0 13 * mon', '2026-03-16T00:00:00Z', true],
  ['0 0 */2 * mon', '2026-03-16T00:00:00Z', false],
  ['0 0 $ * *', '2028-02-29T00:00:00Z', true],
  ['0 0 $ * *', '2026-02-27T00:00:00Z', false],
  ['0 0 1 feb *', '2026-02-01T00:00:00Z', true],
  ['0 0 1 feb *', '2026-03-01T00:00:00Z', false],
  ['@hourly', '2026-03-01T07:00:00Z', true],
  ['@daily', '2026-03-03T00:00:00Z', true],
  ['@daily', '2026-03-03T01:00:00Z', false],
  ['@weekly', '2026-03-01T00:00:00Z', true],
  ['@weekly', '2026-03-02T00:00:00Z', false],
  ['@monthly', '2026-03-01T00:00:00Z', true],
  ['@monthly', '2026-03-02T00:00:00Z', false],
  // As pg_cron has it: taken, and never run.
  ['@yearly', '2026-01-01T00:00:00Z', false],
])('%s at %s: %s', (text, time, expected) => {
  expect(matchesMinute(cron(text), new Date(time))).toBe(expected);
});

describe('when the clock jumps', () => {
  const at = (time: string): number => Date.parse(`2026-03-01T${time}:00Z`);
  test.each([
    ['* * * * *', '10:00', '10:00', 0],
    ['* * * * *', '10:00', '10:05', 5],
    ['* * * * *', '10:00', '10:06', 1],
    ['0 10 * * *', '09:50', '10:20', 1],
    ['0,10 10 * * *', '09:50', '10:20', 2],
    ['0 10 * * *', '09:00', '13:00', 0],
    ['0 13 * * *', '09:00', '13:00', 1],
    ['* * * * *', '10:00', '09:00', 0],
  ])('%s from %s to %s falls due %i times', (text, from, to, expected) => {
    expect(dueRuns(cron(text), at(from), at(to))).toBe(expected);
  });
});
