import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDeliveryQueue } from '../../../src/server/database/delivery-queue.ts';
import type { Stack } from '../../../tools/local/stack.ts';
import { createBrowser, signUp } from '../../support/client-browser.ts';
import { startMigratedStack } from '../../support/stack.ts';
import { createSubscription } from '../../support/subscriptions.ts';

// A project whose Data API hands over three rows at a time: Max rows in the dashboard.
const MAX_ROWS = 3;
let project: string;
let stack: Stack;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'supapush-max-rows-'));
  await cp('supabase', join(project, 'supabase'), { recursive: true });
  const config = join(project, 'supabase', 'config.toml');
  await writeFile(
    config,
    (await readFile(config, 'utf8')).replace(/^max_rows = .*$/m, `max_rows = ${MAX_ROWS}`),
  );
  stack = await startMigratedStack({
    projectDirectory: project,
    functions: false,
    workers: { net: false, cron: false },
  });
});

afterAll(async () => {
  await stack?.stop();
  await rm(project, { recursive: true, force: true });
});

const numbers = Array.from({ length: 8 }, (_, n) => n);

test('a claim leases no more than it hands over', async () => {
  const server = createClient(stack.url, stack.secretKey, { auth: { persistSession: false } });
  const browser = createBrowser(stack);
  const { id } = await signUp(browser.supabase);
  await server
    .from('push_subscriptions')
    .insert(numbers.map(() => ({ user_id: id, ...createSubscription() })));
  const { data: cut } = await server.from('push_subscriptions').select('id');
  expect(cut, 'the limit is in force').toHaveLength(MAX_ROWS);
  await server.rpc('push_notify', { p_user_id: id, p_message: { title: 'Hello' } });
  const claim = await createDeliveryQueue(server as never, stack.url).claim(crypto.randomUUID(), 200, {
    hosts: [],
    users: [],
  });
  expect(claim.deliveries).toHaveLength(numbers.length);
  browser.close();
});

test('what the client lists is whole, and in order', async () => {
  const server = createClient(stack.url, stack.secretKey, { auth: { persistSession: false } });
  await server.from('push_topics').insert(numbers.map((n) => ({ key: `topic-${n}`, title: `Topic ${n}` })));
  await server
    .from('push_categories')
    .insert(numbers.map((n) => ({ key: `category-${n}`, title: `Category ${n}` })));
  const browser = createBrowser(stack);
  await signUp(browser.supabase);
  const push = browser.open();
  await browser.supabase.from('push_subscriptions').insert(numbers.map(() => createSubscription()));
  for (const n of numbers) {
    await push.topics.join(`topic-${n}`);
    await push.alerts.create({ symbol: 'DAX', condition: 'above', threshold: n });
  }
  expect((await push.topics.list()).map(({ key, joined }) => `${key} ${joined}`)).toEqual(
    numbers.map((n) => `topic-${n} true`),
  );
  expect((await push.preferences.categories()).map(({ title }) => title)).toEqual(
    expect.arrayContaining(numbers.map((n) => `Category ${n}`)),
  );
  expect(await push.devices.list()).toHaveLength(numbers.length);
  expect((await push.alerts.list()).map(({ threshold }) => threshold)).toEqual(numbers.toReversed());
  browser.close();
});
