import { expect, test } from 'vitest';
import { asJson, asText, type WorkerLine } from '../../../src/cli/worker/worker-log.ts';
import { createWorkerState, healthAnswer, openMetrics } from '../../../src/server/worker/worker-metrics.ts';

const NOW = new Date('2026-11-29T12:00:00.000Z');

const LINES: [WorkerLine, level: string, words: RegExp][] = [
  [
    { event: 'started', name: 'a', id: 'x', version: '0.1.0', status_url: 'http://127.0.0.1:1' },
    'info',
    /Worker a of Supapush 0\.1\.0 starts.*127\.0\.0\.1:1$/,
  ],
  [
    { event: 'channel_not_configured', code: 'fcm_account_invalid', message: 'No account.' },
    'error',
    /No account/,
  ],
  [{ event: 'listening' }, 'info', /at once/],
  [{ event: 'asking', reason: 'pooler' }, 'info', /pooler .*every second/],
  [{ event: 'asking', reason: 'asked_to' }, 'info', /every second/],
  [
    {
      event: 'dispatched',
      dispatcher: 'd',
      milliseconds: 1234,
      summary: { claimed: 3, outcomes: { sent: 2, gone: 1 }, handedOver: false },
    },
    'info',
    /3 taken in 1\.2 s: 2 sent, 1 gone$/,
  ],
  [
    {
      event: 'dispatched',
      dispatcher: 'd',
      milliseconds: 0,
      summary: { claimed: 0, outcomes: {}, handedOver: true },
    },
    'info',
    /nothing to send; the rest was handed over$/,
  ],
  [{ event: 'dispatch_failed', dispatcher: 'd', message: 'gone' }, 'error', /gone/],
  [{ event: 'listening_lost' }, 'warn', /connects again/],
  [{ event: 'database_lost', message: 'ECONNREFUSED' }, 'error', /ECONNREFUSED/],
  [{ event: 'draining', dispatchers: 1 }, 'info', /second signal/],
  [{ event: 'drained' }, 'info', /reported/],
  [{ event: 'stopped', claimed: 3, reported: { sent: 3, gone: 0 } }, 'info', /3 taken in all: 3 sent$/],
];

test.each(LINES)('$event, for programs and for people', (line, level, words) => {
  const json = JSON.parse(asJson(line, NOW));
  expect(json).toMatchObject({ time: NOW.toISOString(), level, event: line.event });
  expect(asText(line, NOW)).toMatch(/^12:00:00 {2}\S/);
  expect(asText(line, NOW)).toMatch(words);
});

test('what a dispatcher did stands beside the event', () => {
  const summary = { claimed: 1, outcomes: { sent: 1 }, handedOver: false };
  const line: WorkerLine = { event: 'dispatched', dispatcher: 'd', milliseconds: 5, summary };
  expect(JSON.parse(asJson(line, NOW))).toEqual({
    time: NOW.toISOString(),
    level: 'info',
    event: 'dispatched',
    dispatcher: 'd',
    milliseconds: 5,
    ...summary,
  });
});

test('health is 503 while the database does not answer, and never because it ends', () => {
  const state = createWorkerState(NOW.getTime());
  expect(healthAnswer(state)).toMatchObject({ status: 503, body: { status: 'database_unreachable' } });
  state.hears = 'asks';
  expect(healthAnswer(state)).toMatchObject({ status: 200, body: { status: 'ok', hears: 'asks' } });
  state.isDraining = true;
  state.hears = null;
  expect(healthAnswer(state)).toMatchObject({ status: 200, body: { status: 'draining' } });
});

test('metrics are OpenMetrics: each family has a type, each sample its suffix, and the text an end', () => {
  const state = createWorkerState(1_000_500);
  state.lastContactAt = 2_000_250;
  state.reported.sent = 7;
  const text = openMetrics(state, { version: '0.1.0', name: 'a "b" \\ c\n' });
  const lines = text.split('\n');
  expect(text.endsWith('# EOF\n')).toBe(true);
  const types = new Map(
    lines.flatMap((line) => {
      const [, family, type] = /^# TYPE (\w+) (\w+)$/.exec(line) ?? [];
      return family === undefined ? [] : [[family, type] as const];
    }),
  );
  const samples = lines.filter((line) => line !== '' && !line.startsWith('#'));
  expect(samples).toContain('supapush_worker_info{version="0.1.0",name="a \\"b\\" \\\\ c\\n"} 1');
  expect(samples).toContain('supapush_worker_start_time_seconds 1000.5');
  expect(samples).toContain('supapush_worker_reported_deliveries_total{outcome="sent"} 7');
  const SUFFIX: Record<string, string> = { counter: '_total', info: '_info', gauge: '' };
  for (const sample of samples) {
    const [, name = '', value] = /^(\w+)(?:\{[^}]*\})? (\S+)$/.exec(sample) ?? [];
    const family = [...types].find(([known, type]) => name === known + SUFFIX[type ?? '']);
    expect(family, sample).toBeDefined();
    expect(Number(value), sample).not.toBeNaN();
  }
});
