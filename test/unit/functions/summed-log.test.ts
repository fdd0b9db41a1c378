import { expect, test } from 'vitest';
import { createSummedLog } from '../../../src/server/functions/summed-log.ts';

function summed() {
  const lines: Record<string, unknown>[] = [];
  const state = { now: 0 };
  const log = createSummedLog((entry) => lines.push(entry), { everyMs: 1000, now: () => state.now });
  return { log, lines, state };
}

test('the first is told at once, a thousand more as one line when the time is over', () => {
  const { log, lines, state } = summed();
  for (let time = 0; time < 1001; time += 1) log.note({ event: 'failed', code: 'a' });
  log.note({ event: 'failed', code: 'b' });
  expect(lines).toEqual([
    { event: 'failed', code: 'a', count: 1 },
    { event: 'failed', code: 'b', count: 1 },
  ]);
  state.now = 999;
  log.flush();
  expect(lines).toHaveLength(2);
  state.now = 1000;
  log.flush();
  expect(lines.slice(2)).toEqual([{ event: 'failed', code: 'a', count: 1000 }]);
});

test('what goes on is one line for each interval, and none is lost', () => {
  const { log, lines, state } = summed();
  for (let time = 0; time < 100; time += 1) {
    state.now = time * 100;
    log.note({ code: 'a' });
  }
  state.now = 20_000;
  log.flush();
  expect(lines.length).toBeLessThanOrEqual(11);
  expect(lines.reduce((sum, { count }) => sum + Number(count), 0)).toBe(100);
});

test('what is over is forgotten, and told at once when it comes again', () => {
  const { log, lines, state } = summed();
  log.note({ code: 'a' });
  state.now = 5000;
  log.flush();
  expect(lines).toHaveLength(1);
  log.note({ code: 'a' });
  expect(lines[1]).toEqual({ code: 'a', count: 1 });
});
