// The thread of flood.ts.
import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';
import type { FloodOptions, FloodOutcome } from './flood.ts';

const { url, bodies, perSecond, milliseconds } = workerData as FloodOptions;
const agent = new Agent({ keepAlive: true, maxSockets: 200 });
const statuses: Record<string, number> = {};
const began = performance.now();
let sent = 0;
let answered = 0;

function note(outcome: string | number = 'none'): void {
  statuses[outcome] = (statuses[outcome] ?? 0) + 1;
  answered += 1;
}

function send(): void {
  const body = Buffer.from(bodies[sent % bodies.length] ?? '');
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const outgoing = request(url, { agent, method: 'POST', headers }, (answer) => {
    answer.resume();
    answer.on('close', () => note(answer.statusCode));
  });
  outgoing.on('error', () => note('broken'));
  outgoing.end(body);
  sent += 1;
}

const timer = setInterval(() => {
  const elapsed = performance.now() - began;
  // What could not be sent in time is sent later, but not what is due after the end.
  const due = (Math.min(elapsed, milliseconds) / 1000) * perSecond;
  while (sent < Math.floor(due)) send();
  if (elapsed < milliseconds || answered < sent) return;
  clearInterval(timer);
  agent.destroy();
  parentPort?.postMessage({ sent, statuses } satisfies FloodOutcome);
}, 5);
