import { expect, test } from 'vitest';
import { createServerClock } from '../../../src/server/database/server-clock.ts';

const NOON = Date.parse('2026-11-21T12:00:00.400Z');
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const dated = (time: number) => new Headers({ date: new Date(time).toUTCString() });

test.each([
  ['ten minutes ahead', 10 * MINUTE],
  ['ten minutes behind', -10 * MINUTE],
  ['a day ahead', DAY],
  ['a day behind', -DAY],
])('a machine whose clock is %s follows the servers from their first answer on', (_, off) => {
  let time = NOON;
  const clock = createServerClock(() => time + off);
  clock.observe(dated(NOON));
  expect(Math.abs(clock.now() - NOON)).toBeLessThan(1000);
  time += 7 * MINUTE;
  expect(Math.abs(clock.now() - NOON - 7 * MINUTE)).toBeLessThan(1000);
});

test('a clock that is set while it is used is followed both ways', () => {
  let own = NOON;
  const clock = createServerClock(() => own);
  for (const off of [DAY, 0, -DAY, 10 * MINUTE, 0]) {
    own = NOON + off;
    clock.observe(dated(NOON));
    expect(Math.abs(clock.now() - NOON)).toBeLessThan(1000);
  }
});

test('seconds that an answer was under way, or that were cut off, change nothing', () => {
  const clock = createServerClock(() => NOON);
  for (const off of [-29_000, -400, 0, 29_000]) {
    clock.observe(dated(NOON + off));
    expect(clock.now()).toBe(NOON);
  }
});

test.each([
  ['no date', new Headers()],
  ['one that is none', new Headers({ date: 'tomorrow' })],
])('an answer with %s changes nothing', (_, headers) => {
  const clock = createServerClock(() => NOON);
  clock.observe(headers);
  expect(clock.now()).toBe(NOON);
});
