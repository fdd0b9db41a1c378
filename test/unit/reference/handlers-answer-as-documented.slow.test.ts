import { expect, test } from 'vitest';
import webpush from 'web-push';
import { createReceiptTokens } from '../../../src/server/channels/receipt-tokens.ts';
import { createPushDispatch } from '../../../src/server/functions/push-dispatch.ts';
import { createPushEvents } from '../../../src/server/functions/push-events.ts';
import { createPushHealth } from '../../../src/server/functions/push-health.ts';
import { createPushQuotes } from '../../../src/server/functions/push-quotes.ts';
import type { BodyLimits } from '../../../src/server/functions/read-body.ts';
import { type Rpc, type Said, useDataApi } from './data-api.ts';
import { documented, documentedAs } from './documented-answer.ts';
import { FULL_REPORT } from './full-report.ts';

type Environment = Record<string, string | undefined>;
type Handler = (request: Request) => Promise<Response>;

const database = useDataApi();
const keys = webpush.generateVAPIDKeys();
const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';
const SECRET_KEY = 'sb_secret_that_is_this_project_s';
const BELL = { 'x-push-bell': BELL_SECRET };
const DISPATCHER = JSON.stringify({ dispatcher: '6e1a7a55-6a5b-4f0e-9d1c-0d6d0a4f3c01' });
const DEVICE_ID = '0b8f7f5e-2f3c-4c55-9a53-0d8c4a4e9a10';

const good = (): Environment => ({
  SUPABASE_URL: database.url(),
  SUPABASE_SECRET_KEYS: JSON.stringify({ default: SECRET_KEY }),
  VAPID_PUBLIC_KEY: keys.publicKey,
  VAPID_PRIVATE_KEY: keys.privateKey,
  VAPID_SUBJECT: 'mailto:push@example.com',
  PUSH_BELL_SECRET: BELL_SECRET,
});
/** What no function expects. */
const broken = (): Environment => ({
  get SUPABASE_URL(): string {
    throw new Error('The platform has no environment.');
  },
});
const otherKey = () => ({ ...good(), VAPID_PUBLIC_KEY: webpush.generateVAPIDKeys().publicKey });

const platform = (environment: Environment) => ({
  environment,
  limited: false,
  waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined),
  log: () => undefined,
});
const HANDLERS: Record<string, (environment: Environment, limits: Partial<BodyLimits>) => Handler> = {
  'push-dispatch': (environment, limits) => createPushDispatch(platform(environment), limits),
  'push-quotes': (environment) => createPushQuotes(platform(environment)),
  'push-events': (environment, limits) => createPushEvents(platform(environment), limits),
  'push-health': (environment) => createPushHealth(platform(environment)),
};

interface Question {
  environment?: Environment;
  limits?: Partial<BodyLimits>;
  headers?: Record<string, string>;
  body?: BodyInit;
  /** What the database says to RPCs. */
  rpcs?: Record<string, Said | Rpc>;
}

const reached = new Set<string>();

/** Asks a new instance of a function; returns which documented answer it gave. */
async function ask(name: string, method: 'get' | 'post', question: Question = {}): Promise<string> {
  const { environment = good(), limits = {}, rpcs = {} } = question;
  database.say(rpcs);
  return await answerOf(HANDLERS[name]?.(environment, limits), name, method, question);
}

async function answerOf(
  handler: Handler | undefined,
  name: string,
  method: 'get' | 'post',
  { headers = {}, body = '' }: Question,
): Promise<string> {
  const init = { method: method.toUpperCase(), headers: { 'content-type': 'application/json', ...headers } };
  const request = new Request(
    `http://localhost/${name}`,
    (method === 'get' ? init : { ...init, body, duplex: 'half' }) as RequestInit,
  );
  if (handler === undefined) throw new Error(`There is no handler of ${name}.`);
  const answer = await documentedAs(name, method, await handler(request));
  reached.add(answer);
  return answer.slice(`${name} ${method} `.length);
}

const unending = () => new ReadableStream();
const brokenOff = () =>
  new ReadableStream({ pull: (controller) => controller.error(new Error('The sender is gone.')) });

test.each(['push-dispatch', 'push-events'])('%s: bodies', async (name) => {
  const headers = BELL;
  const post = (body: BodyInit, limits = {}) => ask(name, 'post', { headers, body, limits });
  expect(await post('{')).toBe('400 body_malformed');
  expect(await post(brokenOff())).toBe('400 body_incomplete');
  expect(await post(unending(), { bodyMs: 1 })).toBe('408 body_too_slow');
  expect(await post(' '.repeat(40_000))).toBe('413 body_too_large');
});

test.each(['push-dispatch', 'push-quotes'])('%s: the probe, the bell and the environment', async (name) => {
  expect(await ask(name, 'get')).toBe('200 ready');
  const called = name === 'push-dispatch' ? 'dispatcherCalled' : 'sourcesCalled';
  expect(await ask(name, 'post', { headers: BELL, body: DISPATCHER })).toBe(`202 ${called}`);
  expect(await ask(name, 'post', { body: DISPATCHER })).toBe('401 bell_refused');
  for (const method of ['get', 'post'] as const) {
    const post = { headers: BELL, body: DISPATCHER };
    expect(await ask(name, method, { ...post, environment: {} })).toBe('503 not_configured');
    expect(await ask(name, method, { ...post, environment: broken() })).toBe('500 internal');
    if (name === 'push-dispatch')
      expect(await ask(name, method, { ...post, environment: otherKey() })).toBe('503 vapid_keys_invalid');
  }
});

test('push-dispatch: an account of FCM that is none', async () => {
  const environment = { ...good(), FCM_SERVICE_ACCOUNT: '{}' };
  expect(await ask('push-dispatch', 'get', { environment })).toBe('503 fcm_account_invalid');
});

const device = (index = 0) => ({
  endpoint: `https://push.example.com/${index}`,
  p256dh: 'p'.repeat(87),
  auth: 'a'.repeat(22),
});
const RELEASE = JSON.stringify({ release: device() });
const RESUBSCRIBE = JSON.stringify({ resubscribe: { old: device(), new: device(1) } });
/** The database knows one device. */
const PROVEN: Rpc = ({ p_devices: devices }) => ({
  data: (devices as { endpoint: string }[]).map(({ endpoint }) =>
    endpoint === device().endpoint ? DEVICE_ID : null,
  ),
});

test('push-events: what was asked for', async () => {
  expect(await ask('push-events', 'get')).toBe('200 vapidKey');
  const tokens = await createReceiptTokens([{ privateKey: keys.privateKey }], database.url());
  const body = JSON.stringify({ receipts: [{ receipt: await tokens.sign(7), event: 'displayed' }] });
  const counted: Said = { data: { accepted: 1, repeated: 0, refused: 0 } };
  expect(await ask('push-events', 'post', { body, rpcs: { push_record_receipts: counted } })).toBe(
    '200 receiptsRecorded',
  );
  const rpcs = { push_proven_devices: PROVEN, push_resubscribe: { data: DEVICE_ID } };
  expect(await ask('push-events', 'post', { body: RESUBSCRIBE, rpcs })).toBe('200 resubscribed');
  expect(
    await ask('push-events', 'post', {
      body: RELEASE,
      rpcs: { push_proven_devices: PROVEN, push_release: { data: true } },
    }),
  ).toBe('200 released');
});

test('push-events: what the database refuses', async () => {
  for (const [status, code] of [
    [400, 'endpoint_malformed'],
    [400, 'endpoint_not_allowed'],
    [400, 'p256dh_invalid'],
    [400, 'auth_invalid'],
    [400, 'vapid_key_invalid'],
    [404, 'subscription_unknown'],
    [409, 'endpoint_taken'],
    [429, 'too_many_resubscriptions'],
  ] as const) {
    const refused: Said = { status, error: { code: `PT${status}`, details: code } };
    const rpcs = { push_proven_devices: PROVEN, push_resubscribe: refused };
    expect(await ask('push-events', 'post', { body: RESUBSCRIBE, rpcs })).toBe(`${status} ${code}`);
  }
});

const FAILURES: [Said, string][] = [
  [{ status: 400, error: { code: '22P05' } }, '400 values_refused'],
  [{ status: 404, error: { code: 'PGRST202' } }, '500 internal'],
  [{ data: 'not what was agreed' }, '500 queue_answer_malformed'],
  [{ status: 503, error: {} }, '503 queue_unreachable'],
];

test('push-events: a database that fails, and a function that is not ready', async () => {
  for (const [said, answer] of [
    ...FAILURES,
    [{ status: 406, error: { code: 'PGRST106' } }, '503 schema_not_exposed'] as const,
  ]) {
    const rpcs = { push_proven_devices: PROVEN, push_release: said };
    expect(await ask('push-events', 'post', { body: RELEASE, rpcs })).toBe(answer);
  }
  const plain = { body: RELEASE, headers: { 'content-type': 'text/plain' } };
  expect(await ask('push-events', 'post', plain)).toBe('415 content_type_unsupported');
  for (const method of ['get', 'post'] as const) {
    expect(await ask('push-events', method, { body: RELEASE, environment: {} })).toBe('503 not_configured');
    expect(await ask('push-events', method, { body: RELEASE, environment: broken() })).toBe('500 internal');
  }
});

test('push-events: too much of one device, and of all', async () => {
  database.say({ push_proven_devices: PROVEN, push_release: { data: true } });
  const one = createPushEvents(platform(good()));
  const release = () => answerOf(one, 'push-events', 'post', { body: RELEASE });
  for (let times = 0; times < 40; times += 1) expect(await release()).toBe('200 released');
  expect(await release()).toBe('429 too_many_requests');

  // The database is silent until one was refused: a round of 200 is asked, and 2,000 wait.
  const silence = Promise.withResolvers<Said>();
  database.say({ push_proven_devices: () => silence.promise });
  const crowded = createPushEvents(platform(good()), { openBodies: 5000 });
  const answers = Array.from({ length: 2300 }, async (_, index) => {
    const body = JSON.stringify({ release: device(index) });
    const answer = await answerOf(crowded, 'push-events', 'post', { body }).catch(String);
    if (answer === '503 overloaded') silence.resolve({ status: 503, error: {} });
    return answer;
  });
  expect(await Promise.all(answers)).toContain('503 overloaded');
});

test('push-health: for everyone, and for the secret key', async () => {
  const headers = { apikey: SECRET_KEY };
  expect(await ask('push-health', 'get')).toBe('200 publicHealth');
  expect(await ask('push-health', 'get', { environment: {} })).toBe('503 notConfigured');
  const secretAlone = { SUPABASE_SECRET_KEYS: good().SUPABASE_SECRET_KEYS };
  expect(await ask('push-health', 'get', { headers, environment: secretAlone })).toBe('503 notConfigured');
  expect(await ask('push-health', 'get', { headers: { apikey: 'sb_secret_guessed' } })).toBe(
    '401 secret_key_refused',
  );
  const report = (said: Said) => ask('push-health', 'get', { headers, rpcs: { push_health: said } });
  expect(await report({ data: FULL_REPORT })).toBe('200 healthReport');
  const reasons = [{ code: 'paused', message: 'Paused.' }];
  expect(await report({ data: { ...FULL_REPORT, healthy: false, reasons } })).toBe('503 healthReport');
  expect(await report({ status: 406, error: { code: 'PGRST106' } })).toBe('503 databaseSilent');
  for (const [said, answer] of FAILURES) expect(await report(said)).toBe(answer);
});

test('other methods are refused, by all of them', async () => {
  for (const [name, make] of Object.entries(HANDLERS)) {
    const answer = await make(good(), {})(new Request(`http://localhost/${name}`, { method: 'DELETE' }));
    expect(answer.status).toBe(405);
    expect(await answer.json()).toMatchObject({ code: 'method_not_allowed' });
  }
});

test('all that is documented was answered above', () => {
  expect(documented().filter((answer) => !reached.has(answer))).toEqual([]);
});
