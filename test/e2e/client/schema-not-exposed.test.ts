import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDeliveryQueue } from '../../../src/server/database/delivery-queue.ts';
import { createDeviceEvents } from '../../../src/server/database/device-events.ts';
import { createQuotePlan } from '../../../src/server/database/quote-plan.ts';
import { createServiceClient } from '../../../src/server/database/service-client.ts';
import { createPushHealth } from '../../../src/server/functions/push-health.ts';
import { type Stack, startStack } from '../../../tools/local/stack.ts';
import { createBrowser, signUp } from '../../support/client-browser.ts';
import { createSubscription } from '../../support/subscriptions.ts';

// A project whose Data API serves another schema alone: Exposed schemas in the dashboard.
let project: string;
let stack: Stack;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'supapush-schemas-'));
  await cp('supabase', join(project, 'supabase'), { recursive: true });
  const config = join(project, 'supabase', 'config.toml');
  await writeFile(
    config,
    (await readFile(config, 'utf8')).replace('schemas = ["public"]', 'schemas = ["api", "graphql_public"]'),
  );
  stack = await startStack({
    projectDirectory: project,
    functions: false,
    workers: { net: false, cron: false },
  });
});

afterAll(async () => {
  await stack?.stop();
  await rm(project, { recursive: true, force: true });
});

const CODE = { code: 'schema_not_exposed', message: expect.stringContaining('schema public') };

test('the client says so, and where to add it', async () => {
  const browser = createBrowser(stack);
  await signUp(browser.supabase);
  const push = browser.open();
  for (const ask of [push.topics.list, push.inbox.unreadCount, push.preferences.get])
    await expect(ask()).rejects.toMatchObject({ ...CODE, hint: expect.stringContaining('Exposed schemas') });
  browser.close();
});

test('the functions say so', async () => {
  const server = createServiceClient(stack.url, stack.secretKey, 'push-dispatch');
  const queue = createDeliveryQueue(server, stack.url);
  await expect(queue.claim(crypto.randomUUID(), 1, { hosts: [], users: [] })).rejects.toMatchObject(CODE);
  await expect(createQuotePlan(server).due()).rejects.toMatchObject(CODE);
  await expect(createDeviceEvents(server).release(createSubscription())).rejects.toMatchObject(CODE);
});

test('health says so to the operator, and nothing more to strangers', async () => {
  const keys = (await import('web-push')).default.generateVAPIDKeys();
  const health = createPushHealth({
    environment: {
      SUPABASE_URL: stack.url,
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: stack.secretKey }),
      VAPID_PUBLIC_KEY: keys.publicKey,
      VAPID_PRIVATE_KEY: keys.privateKey,
      VAPID_SUBJECT: 'mailto:push@example.com',
      PUSH_BELL_SECRET: 'a-bell-secret-of-more-than-32-characters',
    },
    log: () => {},
  });
  const told = await health(
    new Request('http://localhost/push-health', { headers: { apikey: stack.secretKey } }),
  );
  expect(told.status).toBe(503);
  expect(await told.json()).toMatchObject({
    status: 'unhealthy',
    healthy: false,
    reasons: [{ ...CODE, message: expect.stringContaining('Exposed schemas') }],
  });
  const stranger = await health(new Request('http://localhost/push-health'));
  expect([stranger.status, (await stranger.json()).status]).toEqual([200, 'ok']);
});
