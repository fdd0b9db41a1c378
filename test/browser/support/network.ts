import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Network {
  /** Where browsers find the stack: it is forwarded, as long as the network is up. */
  readonly url: string;
  /** Breaks every connection and takes none. */
  down(): void;
  up(): void;
  stop(): Promise<void>;
}

/** A way to a local address that can be cut, so that only browsers lose it. */
export async function startNetwork(target: string): Promise<Network> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isUp = true;

  const server = createServer((near) => {
    if (!isUp) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(Number(port), hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      // When one half breaks, the other ends too; the reason does not matter here.
      socket.on('error', () => {});
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    down() {
      isUp = false;
      breakAll();
    },
    up() {
      isUp = true;
    },
    stop() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        breakAll();
      });
    },
  };
}
