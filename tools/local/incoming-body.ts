import type { IncomingMessage } from 'node:http';

/** A request's body as a web stream, and what lets it go. */
export interface IncomingBody {
  stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Reads what still comes and forgets it. Call this after answering early: a connection that is closed while its client
   * still writes is reset, and the client never sees the answer.
   */
  discard(): void;
}

/** Reads no faster than it is read. (Node's own web stream destroys the connection when it is cancelled.) */
export function readIncomingBody(incoming: IncomingMessage): IncomingBody {
  let isOpen = true;
  let end: (error?: Error) => void = () => undefined;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      end = (error) => {
        if (!isOpen) return;
        isOpen = false;
        if (error) controller.error(error);
        else controller.close();
      };
      incoming.on('data', (chunk: Buffer) => {
        if (!isOpen) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      incoming.once('end', () => end());
      incoming.once('error', (error) => end(error));
      incoming.once('close', () => end(new Error('The client went away.')));
    },
    pull: () => void incoming.resume(),
    cancel() {
      isOpen = false;
      incoming.resume();
    },
  });
  return {
    stream,
    discard() {
      end(new Error('The request has been answered.'));
      incoming.resume();
    },
  };
}
