import { fileURLToPath } from 'node:url';
import webpush from 'web-push';
import { startDenoProcess } from '../../tools/local/functions/deno-process.ts';
import { findEdgeFunctions } from '../../tools/local/functions/edge-function.ts';
import { startLifetime } from '../../tools/local/lifetime.ts';
import { readLocalConfig } from '../../tools/local/local-config.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** One function in a Deno process of its own, with nothing between it and who calls it. */
export interface OpenFunction {
  readonly port: number;
  readonly url: string;
  /** What it logged and printed, line by line. */
  readonly lines: string[];
  readonly vapidKeys: { publicKey: string; privateKey: string };
  stop(): Promise<void>;
}

/**
 * Starts one of the project's functions by itself.
 *
 * @param options.project the Data API it works with; a port where nothing answers unless given
 * @param options.entrypoint in the place of the function's own
 */
export async function startOpenFunction(
  name: string,
  options: {
    project?: { url: string; secretKey: string };
    entrypoint?: URL;
    secrets?: Record<string, string>;
  } = {},
): Promise<OpenFunction> {
  const { project = { url: 'http://127.0.0.1:9', secretKey: 'sb_secret_of_nobody' }, entrypoint } = options;
  const found = (await findEdgeFunctions(await readLocalConfig(PROJECT))).find((one) => one.name === name);
  if (!found) throw new RangeError(`no function named ${name}`);
  const lifetime = startLifetime();
  const lines: string[] = [];
  const vapidKeys = webpush.generateVAPIDKeys();
  const denoProcess = startDenoProcess({
    edgeFunction: entrypoint ? { ...found, entrypoint: fileURLToPath(entrypoint) } : found,
    projectDirectory: PROJECT,
    environment: {
      SUPABASE_URL: project.url,
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: project.secretKey }),
      VAPID_PUBLIC_KEY: vapidKeys.publicKey,
      VAPID_PRIVATE_KEY: vapidKeys.privateKey,
      VAPID_SUBJECT: 'mailto:push@example.com',
      PUSH_BELL_SECRET: 'a-bell-secret-of-more-than-32-characters',
      ...options.secrets,
    },
    onLog: (line) => lines.push(line),
    tracker: lifetime,
  });
  lifetime.onEnd(name, () => denoProcess.stop());
  const port = await denoProcess.port();
  return { port, url: `http://127.0.0.1:${port}/${name}`, lines, vapidKeys, stop: lifetime.end };
}
