import { createServer } from 'node:net';
import { LocalStackError } from '../local-stack-error.ts';

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export function chooseFreePort(): Promise<number> {
  return probe(0);
}

/** Throws `LocalStackError` `port_in_use` unless we could listen on this port of 127.0.0.1. */
export async function requireFreePort(port: number): Promise<void> {
  try {
    await probe(port);
  } catch (cause) {
    const reason =
      (cause as NodeJS.ErrnoException).code === 'EACCES' ? 'not allowed to us' : 'in use by another program';
    throw new LocalStackError('port_in_use', `Port ${port} on 127.0.0.1 is ${reason}.`, { cause });
  }
}

function probe(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      const chosen = typeof address === 'object' && address ? address.port : port;
      server.close(() => resolve(chosen));
    });
  });
}
