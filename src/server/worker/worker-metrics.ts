import type { Outcome } from '../channels/channel.ts';
import type { DeliveryQueue } from '../database/delivery-queue.ts';

/** What a worker has done so far, and does now. */
export interface WorkerState {
  /** How it learns that it is called; null: the database does not answer. */
  hears: 'listens' | 'asks' | null;
  isDraining: boolean;
  /** Dispatchers at work in it. */
  dispatchers: number;
  claimed: number;
  /** By what became of them; noted when the database has taken the report. */
  reported: Record<Outcome['outcome'], number>;
  dispatches: { done: number; failed: number };
  /** When the database last answered a sign of life, in milliseconds since the epoch. */
  lastContactAt: number | null;
  startedAt: number;
}

export function createWorkerState(now: number): WorkerState {
  return {
    hears: null,
    isDraining: false,
    dispatchers: 0,
    claimed: 0,
    reported: { sent: 0, gone: 0, retry: 0, failed: 0, misconfigured: 0 },
    dispatches: { done: 0, failed: 0 },
    lastContactAt: null,
    startedAt: now,
  };
}

/** The queue, with what passes through it counted. */
export function countedQueue(queue: DeliveryQueue, state: WorkerState): DeliveryQueue {
  return {
    ...queue,
    async claim(...request) {
      const claim = await queue.claim(...request);
      state.claimed += claim.deliveries.length + claim.unreadable.length;
      return claim;
    },
    async complete(reports) {
      await queue.complete(reports);
      for (const { outcome } of reports) state.reported[outcome.outcome] += 1;
    },
  };
}

/** What an orchestrator asks: 200 while it works, drains or idles, 503 while the database does not answer. */
export function healthAnswer({ hears, isDraining, dispatchers, lastContactAt }: WorkerState): {
  status: 200 | 503;
  body: Record<string, unknown>;
} {
  const works = hears !== null || isDraining;
  return {
    status: works ? 200 : 503,
    body: {
      status: isDraining ? 'draining' : works ? 'ok' : 'database_unreachable',
      hears,
      dispatchers,
      last_contact_at: lastContactAt === null ? null : new Date(lastContactAt).toISOString(),
    },
  };
}

/** The content type of `openMetrics()`. */
export const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** The numbers as OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/). */
export function openMetrics(
  state: WorkerState,
  { version, name }: { version: string; name: string },
): string {
  const seconds = (milliseconds: number) => String(milliseconds / 1000);
  const families: [name: string, type: string, help: string, samples: [suffix: string, value: string][]][] = [
    [
      'supapush_worker',
      'info',
      'Of which release it is.',
      [[`_info{version="${escaped(version)}",name="${escaped(name)}"}`, '1']],
    ],
    [
      'supapush_worker_start_time_seconds',
      'gauge',
      'When it started, since the epoch.',
      [['', seconds(state.startedAt)]],
    ],
    [
      'supapush_worker_up',
      'gauge',
      'Whether the database answers.',
      [['', state.hears === null ? '0' : '1']],
    ],
    [
      'supapush_worker_listening',
      'gauge',
      'Whether it hears calls at once; 0: it asks every second.',
      [['', state.hears === 'listens' ? '1' : '0']],
    ],
    ...(state.lastContactAt === null
      ? []
      : ([
          [
            'supapush_worker_last_contact_seconds',
            'gauge',
            'When the database last answered, since the epoch.',
            [['', seconds(state.lastContactAt)]],
          ],
        ] satisfies [string, string, string, [string, string][]][])),
    ['supapush_worker_dispatchers', 'gauge', 'Dispatchers at work in it.', [['', String(state.dispatchers)]]],
    [
      'supapush_worker_claimed_deliveries',
      'counter',
      'Deliveries that it took.',
      [['_total', String(state.claimed)]],
    ],
    [
      'supapush_worker_reported_deliveries',
      'counter',
      'Deliveries whose outcome the database has taken.',
      Object.entries(state.reported).map(([outcome, count]) => [
        `_total{outcome="${outcome}"}`,
        String(count),
      ]),
    ],
    [
      'supapush_worker_dispatches',
      'counter',
      'Runs of a dispatcher, by how they ended.',
      Object.entries(state.dispatches).map(([result, count]) => [
        `_total{result="${result}"}`,
        String(count),
      ]),
    ],
  ];
  const lines = families.flatMap(([family, type, help, samples]) => [
    `# TYPE ${family} ${type}`,
    `# HELP ${family} ${help}`,
    ...samples.map(([suffix, value]) => `${family}${suffix} ${value}`),
  ]);
  return `${lines.join('\n')}\n# EOF\n`;
}

function escaped(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
