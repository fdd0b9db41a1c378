import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { LocalStackError } from './local-stack-error.ts';

// Below the ports that Linux (32768) and macOS (49152) hand to outgoing connections: one of those could
// otherwise take a port between the moment it was found free and the moment its server binds it.
const FIRST = 20_000;
const LAST = 32_767;

/** Whether a server could listen on this port of 127.0.0.1 now. */
export async function isLoopbackPortFree(port: number): Promise<boolean> {
  return (await probe(port)) === undefined;
}

/** Throws `LocalStackError` `port_in_use` unless a server could listen on this port of 127.0.0.1 now. */
export async function requireFreePort(port: number): Promise<void> {
  const cause = await probe(port);
  if (cause === undefined) return;
  const reason = cause.code === 'EACCES' ? 'not allowed to us' : 'in use by another program';
  throw new LocalStackError('port_in_use', `Port ${port} on 127.0.0.1 is ${reason}.`, { cause });
}

/** A port of 127.0.0.1 that no process listens on. */
export async function freeLoopbackPort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(FIRST, LAST + 1);
    if (await isLoopbackPortFree(port)) return port;
  }
  throw new Error(`no free port between ${FIRST} and ${LAST} on 127.0.0.1`);
}

/** What stands in the way of listening on this port; undefined where nothing does. */
function probe(port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
