import { createClient } from '@supabase/supabase-js';
import { expect, test } from 'vitest';
import { healthReport, publicHealth } from '../../../src/server/functions/answers.ts';
import { createPushHealth } from '../../../src/server/functions/push-health.ts';
import { VERSION } from '../../../src/shared/version.ts';
import { eventually } from '../../support/eventually.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack();

const ask = (headers: Record<string, string> = {}, method = 'GET') =>
  fetch(`${stack().url}/functions/v1/push-health`, { method, headers });

test('everybody may know whether push is configured, and the public VAPID key, and nothing else', async () => {
  for (const headers of [{}, { apikey: stack().publishableKey }]) {
    const answer = await ask(headers);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(await answer.json()).toEqual({
      function: 'push-health',
      status: 'ok',
      configured: true,
      vapid_public_key: stack().vapidPublicKey,
    });
  }
});

test('a frontend gets the public key with supabase-js', async () => {
  const client = createClient(stack().url, stack().publishableKey, { auth: { persistSession: false } });
  const { data } = await client.functions.invoke('push-health', { method: 'GET' });
  expect(data.vapid_public_key).toBe(stack().vapidPublicKey);
});

test('the secret key opens the whole report, once the tick has run', async () => {
  const report = await eventually(
    async () => (await ask({ apikey: stack().secretKey })).json(),
    ({ healthy }) => healthy === true,
  );
  expect(report).toMatchObject({
    status: 'ok',
    reasons: [],
    waiting: 0,
    alarms: [],
    last_tick_at: expect.any(String),
    version: VERSION,
  });
  expect(report.functions).toContainEqual(expect.objectContaining({ name: 'push-health', version: VERSION }));
});

test('both answers are what docs/reference/openapi.json says of them, and nothing else', async () => {
  publicHealth.parse(await (await ask()).json());
  healthReport.parse(await (await ask({ apikey: stack().secretKey })).json());
});

test('a wrong secret key is refused, not answered like a stranger', async () => {
  const right = stack().secretKey;
  const answer = await ask({ apikey: right.slice(0, -1) + (right.endsWith('x') ? 'y' : 'x') });
  expect(answer.status).toBe(401);
  expect(await answer.json()).toMatchObject({ code: 'secret_key_refused' });
});

test('other methods are refused; a preflight is answered', async () => {
  expect((await ask({}, 'POST')).status).toBe(405);
  const preflight = await ask({}, 'OPTIONS');
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-headers')).toContain('apikey');
});

test('the RPC behind it is for the secret key alone', async () => {
  const client = createClient(stack().url, stack().publishableKey, { auth: { persistSession: false } });
  expect((await client.rpc('push_health')).error?.code).toBe('42501');
});

const secretKey = 'sb_secret_that_is_this_project_s';
const unconfigured = createPushHealth({
  environment: {
    SUPABASE_URL: 'http://127.0.0.1:9',
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: secretKey }),
    VAPID_PUBLIC_KEY: 'half-a-pair',
  },
  log: () => {},
});

test('a project that is not configured says only that to strangers, and what is missing to its operator', async () => {
  const stranger = await unconfigured(new Request('http://localhost/push-health'));
  expect(stranger.status).toBe(503);
  expect(await stranger.json()).toEqual({
    function: 'push-health',
    status: 'not_configured',
    configured: false,
  });

  const operator = await unconfigured(
    new Request('http://localhost/push-health', { headers: { apikey: secretKey } }),
  );
  expect(operator.status).toBe(503);
  const { reasons } = await operator.json();
  expect(reasons[0].message).toMatch(/VAPID_PRIVATE_KEY is missing.*PUSH_BELL_SECRET is missing/);
  expect(JSON.stringify(reasons)).not.toContain('half-a-pair');
});

test('without any secret key in its environment an empty one opens nothing', async () => {
  const handler = createPushHealth({ environment: {}, log: () => {} });
  const answer = await handler(new Request('http://localhost/push-health', { headers: { apikey: '' } }));
  expect(await answer.json()).toEqual({
    function: 'push-health',
    status: 'not_configured',
    configured: false,
  });
});

test('a database that does not answer is 503', async () => {
  const { vapidPublicKey } = stack();
  const webpush = (await import('web-push')).default;
  const keys = webpush.generateVAPIDKeys();
  const handler = createPushHealth({
    environment: {
      SUPABASE_URL: 'http://127.0.0.1:9',
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: secretKey }),
      VAPID_PUBLIC_KEY: keys.publicKey,
      VAPID_PRIVATE_KEY: keys.privateKey,
      VAPID_SUBJECT: 'mailto:push@example.com',
      PUSH_BELL_SECRET: 'a-bell-secret-of-more-than-32-characters',
    },
    log: () => {},
  });
  const answer = await handler(
    new Request('http://localhost/push-health', { headers: { apikey: secretKey } }),
  );
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ code: 'queue_unreachable' });
  expect(vapidPublicKey).not.toBe(keys.publicKey);
});
