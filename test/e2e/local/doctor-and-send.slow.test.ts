import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { expect, onTestFinished, test } from 'vitest';
import { command as doctorCommand } from '../../../src/cli/doctor.ts';
import { command as inspectCommand } from '../../../src/cli/inspect.ts';
import { command as sendCommand } from '../../../src/cli/send.ts';
import { generateVapidPair } from '../../../src/cli/vapid-pair.ts';
import { called } from '../../support/command.ts';
import { createRecipients } from '../../support/recipients.ts';
import { useStack } from '../../support/stack.ts';

// The commands against functions that really run, asked by a pg_net that really calls.

const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';
const PAIR = generateVapidPair();
const SECRETS = {
  VAPID_SUBJECT: 'mailto:push@example.com',
  VAPID_PUBLIC_KEY: PAIR.publicKey,
  VAPID_PRIVATE_KEY: PAIR.privateKey,
  PUSH_BELL_SECRET: BELL_SECRET,
};
const stack = useStack({ secrets: SECRETS });

async function connected(): Promise<postgres.Sql> {
  const sql = postgres(stack().databaseUrl, { onnotice: () => {} });
  onTestFinished(() => sql.end());
  await sql`select push.connect(${stack().url}, ${BELL_SECRET}, ${PAIR.publicKey})`;
  return sql;
}

/** What doctor finds in database and functions. */
async function codes(): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'supapush-doctor-'));
  const file = join(folder, 'secrets');
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(
    file,
    Object.entries(SECRETS)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const { text } = await called(
    doctorCommand,
    ...['--json', '--only', 'database', '--only', 'functions'],
    ...['--database-url', stack().databaseUrl, '--project-url', stack().url],
    ...['--publishable-key', stack().publishableKey, '--file', file],
  );
  const { findings } = JSON.parse(text) as { findings: { code: string }[] };
  expect(text).not.toContain(BELL_SECRET);
  return findings.map(({ code }) => code);
}

test('a message is sent as inspect said, and doctor has nothing to say', async () => {
  const sql = await connected();
  const [{ userId, device, subscriptionId }] = await createRecipients(sql, stack().pushService, 1);
  const said = ['--title', 'Hello', '--url', '/deals/7', '--database-url', stack().databaseUrl, '--json'];
  const inspected = JSON.parse((await called(inspectCommand, userId, ...said)).text) as {
    messages: { payload: string; bytes: number }[];
  };
  const { text, exitCode } = await called(sendCommand, '--device', subscriptionId, ...said, '--wait', '60');
  expect(exitCode).toBe(0);
  const sent = JSON.parse(text) as { notification: string; deliveries: { state: string }[] };
  expect(sent.deliveries).toMatchObject([{ state: 'sent' }]);

  const [got] = await device.waitForMessages(1);
  const [foretold] = inspected.messages;
  // But for what every message has of its own: its id, which is its tag, and its receipt.
  const plain = (payload: string) =>
    payload
      .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, '<id>')
      .replace(/"receipt":"\d+\.[\w-]{22}"/, '"receipt":"<receipt>"');
  expect(plain(JSON.stringify(got?.json))).toBe(plain(foretold?.payload ?? ''));
  expect(stack().pushService.received[0]?.size).toBe((foretold?.bytes ?? 0) + 103);

  await expect.poll(codes, { timeout: 60_000, interval: 1000 }).toEqual([]);
});

test('a secret of the Vault that the function does not take is found by ringing', async () => {
  const sql = await connected();
  await sql`select push.connect(${stack().url}, ${'another-secret-'.repeat(3)}, ${PAIR.publicKey})`;
  expect(await codes()).toEqual(['bell_secret_differs', 'bell_refused']);
});

test('a project that the database cannot reach is found, though it answers here', async () => {
  const sql = await connected();
  await sql`select push.connect('http://127.0.0.1:1', ${BELL_SECRET}, ${PAIR.publicKey})`;
  const found = await codes();
  expect(found[0]).toBe('project_differs');
  expect(found.slice(1)).toEqual(Array.from({ length: 4 }, () => 'function_unreachable_from_database'));
});
