import { MESSAGE_TYPE, type PageMessage, type WorkerAnswer } from '../shared/protocol.ts';
import { within } from '../shared/time-limit.ts';
import { PushClientError } from './push-client-error.ts';

/** Milliseconds that a worker has to say who it is: on a slow phone it has to be started for that. */
const HELLO_LIMIT = 10_000;

/** Tells the app's worker something, if there is one. */
export function tellWorker(
  registration: ServiceWorkerRegistration | undefined,
  event: PageMessage['event'],
): void {
  registration?.active?.postMessage({ type: MESSAGE_TYPE, event } satisfies PageMessage);
}

/**
 * Makes sure that the worker of a registration, or the one that is to take its place, has our push handler: one without it
 * takes messages and shows none. Rejects with `worker_without_push`.
 */
export async function requirePushHandler(registration: ServiceWorkerRegistration): Promise<void> {
  const { active, waiting, installing } = registration;
  const workers = [active, waiting, installing].filter((worker) => !!worker);
  try {
    await Promise.any(workers.map(sayHello));
  } catch (cause) {
    const message = `${active?.scriptURL} is without the push handler of Supapush.`;
    throw new PushClientError('worker_without_push', { message, cause });
  }
}

/** Resolves when a worker answers as ours does. */
async function sayHello(worker: ServiceWorker): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const answered = new Promise<void>((resolve) => {
    port1.onmessage = ({ data }: MessageEvent<Partial<WorkerAnswer> | null>) => {
      if (data?.type === MESSAGE_TYPE && data.version) resolve();
    };
  });
  worker.postMessage({ type: MESSAGE_TYPE, event: 'hello' } satisfies PageMessage, [port2]);
  try {
    await within(HELLO_LIMIT, answered);
  } finally {
    port1.close();
  }
}
