import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import webpush from 'web-push';
import { startDenoProcess } from '../../../tools/local/functions/deno-process.ts';
import { findEdgeFunctions } from '../../../tools/local/functions/edge-function.ts';
import { readLocalConfig } from '../../../tools/local/local-config.ts';
import { eventually } from '../../support/eventually.ts';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
const keys = webpush.generateVAPIDKeys();
const SECRET_KEY = 'sb_secret_that_is_this_project_s';
const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';
const GOOD = {
  // A port of loopback where nothing answers.
  SUPABASE_URL: 'http://127.0.0.1:1',
  SUPABASE_SECRET_KEYS: JSON.stringify({ default: SECRET_KEY }),
  VAPID_PUBLIC_KEY: keys.publicKey,
  VAPID_PRIVATE_KEY: keys.privateKey,
  VAPID_SUBJECT: 'mailto:push@example.com',
  PUSH_BELL_SECRET: BELL_SECRET,
};
const DISPATCHER = '6e1a7a55-6a5b-4f0e-9d1c-0d6d0a4f3c01';

/** push-dispatch under Deno with this environment and no other. */
async function start(environment: Record<string, string>) {
  const functions = await findEdgeFunctions(await readLocalConfig(PROJECT));
  const edgeFunction = functions.find(({ name }) => name === 'push-dispatch');
  if (edgeFunction === undefined) throw new Error('push-dispatch is missing.');
  const log: string[] = [];
  const process = startDenoProcess({
    edgeFunction,
    projectDirectory: PROJECT,
    environment,
    onLog: (line) => void log.push(line),
  });
  onTestFinished(() => process.stop());
  const url = `http://127.0.0.1:${await process.port()}/push-dispatch`;
  const probe = () => fetch(url);
  const ring = () =>
    fetch(url, {
      method: 'POST',
      body: JSON.stringify({ dispatcher: DISPATCHER }),
      headers: { 'x-push-bell': BELL_SECRET },
    });
  return { log, probe, ring };
}

function expectNothingSecret(text: string): void {
  for (const secret of [SECRET_KEY, BELL_SECRET, keys.privateKey]) expect(text).not.toContain(secret);
}

test.each<[string, Record<string, string>, string, RegExp]>([
  [
    'that is empty',
    {},
    'not_configured',
    /SUPABASE_URL is missing.*VAPID_PUBLIC_KEY is missing.*PUSH_BELL_SECRET is missing/,
  ],
  [
    'with values that are malformed',
    {
      ...GOOD,
      SUPABASE_SECRET_KEYS: SECRET_KEY,
      VAPID_SUBJECT: 'push@example.com',
      PUSH_BELL_SECRET: BELL_SECRET.slice(0, 31),
    },
    'not_configured',
    /SUPABASE_SECRET_KEYS .*VAPID_SUBJECT .*PUSH_BELL_SECRET /,
  ],
  [
    'with VAPID keys of two pairs',
    { ...GOOD, VAPID_PUBLIC_KEY: webpush.generateVAPIDKeys().publicKey },
    'vapid_keys_invalid',
    /VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY/,
  ],
  [
    'with VAPID keys that were swapped',
    { ...GOOD, VAPID_PUBLIC_KEY: keys.privateKey, VAPID_PRIVATE_KEY: keys.publicKey },
    'vapid_keys_invalid',
    /VAPID_PUBLIC_KEY must be 65 bytes/,
  ],
  [
    'with a VAPID key off the curve',
    { ...GOOD, VAPID_PUBLIC_KEY: `B${'A'.repeat(86)}` },
    'vapid_keys_invalid',
    /VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY/,
  ],
])('an environment %s is answered 503 with names and without values', async (_, environment, code, named) => {
  const { log, probe, ring } = await start(environment);
  for (const answer of [await probe(), await ring()]) {
    expect(answer.status).toBe(503);
    const text = await answer.text();
    expect(JSON.parse(text)).toEqual({ message: expect.stringMatching(named), code });
    expectNothingSecret(text);
    expect(text).not.toContain(BELL_SECRET.slice(0, 31));
  }
  expectNothingSecret(log.join('\n'));
});

test('a database that does not answer is told in the log, and the function goes on serving', async () => {
  const { log, probe, ring } = await start(GOOD);
  expect((await ring()).status).toBe(202);
  const [entry] = await eventually(
    () => log.filter((line) => line.includes('dispatch_failed')).map((line) => JSON.parse(line)),
    (entries) => entries.length > 0,
  );
  expect(entry).toMatchObject({ level: 'error', dispatcher: DISPATCHER, code: 'queue_unreachable' });
  expect((await probe()).status).toBe(200);
  expectNothingSecret(log.join('\n'));
});
