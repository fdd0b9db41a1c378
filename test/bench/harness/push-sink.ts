import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SinkCount } from '../sides/push-sink.ts';
import { createCertificate } from './certificate.ts';

export type { SinkCount };

export interface PushSink {
  origin: string;
  /** PEM file of the authority to trust; undefined without TLS. */
  certificate: string | undefined;
  /** What arrived since the last reset. */
  count(): Promise<SinkCount>;
  reset(): Promise<void>;
  stop(): void;
}

const SCRIPT = fileURLToPath(new URL('../sides/push-sink.ts', import.meta.url));

/** Starts a push service that only counts (see `sides/push-sink.ts`); `tlsFolder` makes it speak HTTPS with HTTP/2. */
export async function startPushSink(tlsFolder?: string): Promise<PushSink> {
  const files = tlsFolder === undefined ? undefined : await writeCertificate(tlsFolder);
  const child = fork(SCRIPT, files === undefined ? [] : [files.key, files.certificate]);
  // It leaves with the channel to this process, however that ends.
  const { port } = (await answer(child)) as { port: number };
  const ask = async (question: 'count' | 'reset') => {
    const answered = answer(child);
    child.send(question);
    return (await answered) as SinkCount;
  };
  return {
    origin: files === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    certificate: files?.authority,
    count: () => ask('count'),
    reset: async () => void (await ask('reset')),
    stop: () => void child.kill(),
  };
}

async function answer(child: ChildProcess): Promise<unknown> {
  const [message] = await once(child, 'message');
  return message;
}

async function writeCertificate(folder: string) {
  const made = createCertificate();
  const file = async (name: string, content: string) => {
    const path = join(folder, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  return {
    key: await file('key.pem', made.privateKey),
    certificate: await file('certificate.pem', made.certificate),
    authority: await file('authority.pem', made.authority),
  };
}
