import type { WorkerEvent } from '../../server/worker/worker.ts';

/** Everything that a worker says. */
export type WorkerLine =
  | WorkerEvent
  | { event: 'started'; name: string; id: string; version: string; status_url: string }
  | { event: 'channel_not_configured'; code: string; message: string }
  | { event: 'stopped'; claimed: number; reported: Record<string, number> };

const LEVELS: Partial<Record<WorkerLine['event'], 'warn' | 'error'>> = {
  channel_not_configured: 'error',
  listening_lost: 'warn',
  database_lost: 'error',
  dispatch_failed: 'error',
};

/** One line of JSON for a program that collects logs: `time`, `level` and `event`, whose names stay, and what the event has. */
export function asJson(line: WorkerLine, now: Date): string {
  const { event, ...values } = flat(line);
  return JSON.stringify({ time: now.toISOString(), level: LEVELS[line.event] ?? 'info', event, ...values });
}

/** One line for people. */
export function asText(line: WorkerLine, now: Date): string {
  return `${now.toISOString().slice(11, 19)}  ${words(line)}`;
}

/** What a dispatcher did stands beside what is said of it. */
function flat(line: WorkerLine): Record<string, unknown> {
  if (line.event !== 'dispatched') return { ...line };
  const { summary, ...values } = line;
  return { ...values, ...summary };
}

function words(line: WorkerLine): string {
  switch (line.event) {
    case 'started':
      return `Worker ${line.name} of Supapush ${line.version} starts. Health and metrics: ${line.status_url}`;
    case 'channel_not_configured':
      return `One channel does not work: ${line.message}`;
    case 'listening':
      return 'Connected: it hears at once when there is something to send.';
    case 'asking':
      return line.reason === 'asked_to'
        ? 'Connected: it asks every second whether there is something to send.'
        : 'Connected through a pooler that passes no notifications on: it asks every second whether there is something to send.';
    case 'dispatched': {
      const { claimed, outcomes, handedOver } = line.summary;
      const seconds = (line.milliseconds / 1000).toFixed(1);
      return `${claimed} taken in ${seconds} s: ${counts(outcomes)}${handedOver ? '; the rest was handed over' : ''}`;
    }
    case 'dispatch_failed':
      return `A dispatcher ended early: ${line.message}`;
    case 'listening_lost':
      return 'The connection by which it listens is gone. It connects again.';
    case 'database_lost':
      return `The database does not answer, and is tried again: ${line.message}`;
    case 'draining':
      return 'It ends: what is under way is finished. A second signal ends it at once.';
    case 'drained':
      return 'Everything that was under way is reported.';
    case 'stopped':
      return `Stopped. ${line.claimed} taken in all: ${counts(line.reported)}`;
  }
}

function counts(outcomes: Partial<Record<string, number>>): string {
  const found = Object.entries(outcomes).filter(([, count]) => (count ?? 0) > 0);
  return found.map(([outcome, count]) => `${count} ${outcome}`).join(', ') || 'nothing to send';
}
