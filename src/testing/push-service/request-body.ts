import type { IncomingMessage } from 'node:http';

export type RequestBody = { readonly bytes: Buffer; readonly size: number };

/** Reads a body to its end and keeps at most `limit` bytes of it; `size` is what came. */
export function readBody(request: IncomingMessage, limit: number): Promise<RequestBody> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) chunks.push(chunk);
    });
    request.on('end', () => resolve({ bytes: Buffer.concat(chunks), size }));
    request.on('error', reject);
    request.on('close', () => reject(new Error('The request ended early.')));
  });
}
