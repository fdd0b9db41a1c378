import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PushClient } from '../../../src/device/client/push-client.ts';
import { type ClientBrowser, createBrowser, signUp } from '../../support/client-browser.ts';
import { clientRefusalOf } from '../../support/client-refusal.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack({ functions: false, workers: { net: false, cron: false } });
let browser: ClientBrowser;
let push: PushClient;
let server: SupabaseClient;

beforeEach(async () => {
  server = createClient(stack().url, stack().secretKey, { auth: { persistSession: false } });
  browser = createBrowser(stack());
  await signUp(browser.supabase);
  push = browser.open();
});
afterEach(() => browser.close());

test('an alert is made, changed in one thing, listed and deleted, and says how it stands', async () => {
  const made = await push.alerts.create({
    symbol: 'DAX',
    condition: 'crosses_above',
    threshold: 18000.5,
    setup: 'mine',
  });
  expect(made).toEqual({
    id: expect.any(String),
    symbol: 'DAX',
    condition: 'crosses_above',
    threshold: 18000.5,
    windowMinutes: 0,
    direction: null,
    level: null,
    levelCondition: null,
    hysteresis: 0,
    hysteresisUnit: 'absolute',
    cooldown: '00:00:00',
    recurring: false,
    expiresAt: null,
    activeFrom: null,
    activeUntil: null,
    timezone: null,
    setup: 'mine',
    title: null,
    body: null,
    urgency: 'high',
    enabled: true,
    armed: false,
    lastSide: null,
    levelPrice: 18000.5,
    lastFiredAt: null,
    timesFired: 0,
    heldBack: 0,
    disabledReason: null,
    createdAt: expect.any(String),
    updatedAt: expect.any(String),
  });
  const second = await push.alerts.create({
    symbol: 'DAX',
    condition: 'percent_change',
    threshold: 2,
    windowMinutes: 60,
    direction: 'either',
    cooldown: '1 hour',
    recurring: true,
  });
  expect((await push.alerts.list()).map(({ id }) => id)).toEqual([second.id, made.id]);
  const off = await push.alerts.update(made.id, { enabled: false });
  expect(off).toMatchObject({ enabled: false, disabledReason: 'switched_off', setup: 'mine' });
  await push.alerts.delete(second.id);
  expect((await push.alerts.list()).map(({ id }) => id)).toEqual([made.id]);
});

test('active hours are those of the timezone of the browser unless one is given', async () => {
  const alert = await push.alerts.create({
    symbol: 'DAX',
    condition: 'above',
    threshold: 1,
    activeFrom: '09:00',
    activeUntil: '17:30',
  });
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  expect(alert).toMatchObject({ activeFrom: '09:00', activeUntil: '17:30', timezone: timeZone });
});

test('what is wrong with an alert is said by code, and alerts of others are not there', async () => {
  const wrong = push.alerts.create({ symbol: 'DAX', condition: 'above' });
  expect(await clientRefusalOf(wrong)).toMatchObject({ code: 'alert_malformed', status: 400 });
  const { id } = await push.alerts.create({ symbol: 'DAX', condition: 'above', threshold: 1 });
  const stranger = createBrowser(stack());
  await signUp(stranger.supabase);
  const theirs = stranger.open();
  expect(await theirs.alerts.list()).toEqual([]);
  expect(await clientRefusalOf(theirs.alerts.update(id, { threshold: 2 }))).toMatchObject({
    code: 'not_found',
  });
  await theirs.alerts.delete(id);
  expect(await push.alerts.list()).toHaveLength(1);
  stranger.close();
});

test('the newest value of a symbol is there for all who sign in', async () => {
  expect(await push.alerts.quote('DAX')).toBeNull();
  const { error } = await server
    .from('push_quotes')
    .insert({ symbol: 'DAX', value: 17999.25, source: 'test' });
  expect(error).toBeNull();
  expect(await push.alerts.quote('DAX')).toEqual({
    symbol: 'DAX',
    value: 17999.25,
    quotedAt: expect.any(String),
    source: 'test',
  });
});
