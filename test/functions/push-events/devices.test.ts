import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { tell } from '../../support/push-events.ts';
import { useStack } from '../../support/stack.ts';
import {
  createKeys,
  createSubscription,
  type SubscriptionInput,
  subscribe,
} from '../../support/subscriptions.ts';

const stack = useStack({ workers: { net: false, cron: false }, functions: ['push-events'] });

let sql: postgres.Sql;
let user: string;
let old: SubscriptionInput;
let id: string;
beforeAll(() => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
});
afterAll(() => sql?.end());
beforeEach(async () => {
  await sql`delete from auth.users`;
  user = (await createUser(sql)).id;
  old = createSubscription();
  id = await subscribe(sql, user, old);
});

const resubscribe = (from: object, to: object) => tell(stack(), { resubscribe: { old: from, new: to } });
const devices = async () =>
  await sql`select id, endpoint, p256dh, auth, vapid_key from public.push_subscriptions`;

test('a device that proves its old keys gets its new subscription, without a session', async () => {
  const renewed = { ...createSubscription(), vapid_key: stack().vapidPublicKey };
  expect(await resubscribe(old, renewed)).toMatchObject({ status: 200, body: { subscription_id: id } });
  expect([...(await devices())]).toEqual([{ id, ...renewed }]);
});

test('keys in padded or standard base64 are the same keys', async () => {
  const standard = (text: string) => Buffer.from(text, 'base64url').toString('base64');
  const spelled = ({ endpoint, p256dh, auth }: SubscriptionInput) => ({
    endpoint,
    p256dh: standard(p256dh),
    auth: standard(auth),
  });
  const renewed = createSubscription();
  const to = { ...spelled(renewed), vapid_key: standard(stack().vapidPublicKey) };
  expect(await resubscribe(spelled(old), to)).toMatchObject({ status: 200, body: { subscription_id: id } });
  expect([...(await devices())]).toEqual([{ id, ...renewed, vapid_key: stack().vapidPublicKey }]);
  expect(await tell(stack(), { release: spelled(renewed) })).toMatchObject({ body: { released: true } });
});

test('without a VAPID key, or with null, it is the one of the project', async () => {
  for (const without of [{}, { vapid_key: null }]) {
    const renewed = createSubscription();
    expect(await resubscribe(old, { ...renewed, ...without })).toMatchObject({ status: 200 });
    expect(await devices()).toMatchObject([{ ...renewed, vapid_key: stack().vapidPublicKey }]);
    old = renewed;
  }
});

test('wrong keys and unknown devices get the same answer', async () => {
  const answers: string[] = [];
  for (const unproven of [
    { ...old, auth: createKeys().auth },
    { ...old, p256dh: createKeys().p256dh },
    createSubscription(),
  ]) {
    const { status, body, headers } = await resubscribe(unproven, createSubscription());
    answers.push(JSON.stringify([status, body, [...headers.keys()]]));
  }
  expect(new Set(answers).size).toBe(1);
  expect(answers[0]).toContain('subscription_unknown');
  expect(answers[0]?.startsWith('[404,')).toBe(true);
  expect(await devices()).toMatchObject([old]);
});

test('what the table refuses is refused with its code and what to do', async () => {
  const taken = createSubscription();
  await subscribe(sql, (await createUser(sql)).id, taken);
  for (const [renewed, status, code] of [
    [
      createSubscription({ endpoint: 'https://169.254.169.254/latest/meta-data' }),
      400,
      'endpoint_not_allowed',
    ],
    [createSubscription({ endpoint: 'not a URL' }), 400, 'endpoint_malformed'],
    [{ ...createSubscription(), p256dh: 'AAAA' }, 400, 'p256dh_invalid'],
    [{ ...createSubscription(), auth: 'AAAA' }, 400, 'auth_invalid'],
    [{ ...createSubscription(), vapid_key: 'AAAA' }, 400, 'vapid_key_invalid'],
    [taken, 409, 'endpoint_taken'],
  ] as const) {
    const { body, ...answer } = await resubscribe(old, renewed);
    expect([answer.status, body]).toEqual([status, { code, message: expect.any(String) }]);
    expect(JSON.stringify(body)).not.toContain(renewed.endpoint);
  }
});

test('the limit of exchanges within an hour is a 429, which a worker keeps for later', async () => {
  await sql`update push.settings set resubscribe_limit = 2`;
  const next = async () => {
    const renewed = createSubscription();
    const answer = await resubscribe(old, renewed);
    if (answer.status === 200) old = renewed;
    return answer;
  };
  expect([(await next()).status, (await next()).status]).toEqual([200, 200]);
  expect(await next()).toMatchObject({ status: 429, body: { code: 'too_many_resubscriptions' } });
  await sql`update push.settings set resubscribe_limit = default`;
});

test('a device is released by its keys alone, and then unknown', async () => {
  const release = async (device: object) => await tell(stack(), { release: device });
  expect(await release({ ...old, auth: createKeys().auth })).toMatchObject({
    status: 200,
    body: { released: false },
  });
  expect(await devices()).toHaveLength(1);
  expect(await release(old)).toMatchObject({ status: 200, body: { released: true } });
  expect(await release(old)).toMatchObject({ status: 200, body: { released: false } });
  expect(await devices()).toHaveLength(0);
  expect(await resubscribe(old, createSubscription())).toMatchObject({ status: 404 });
});

test.each([
  ['nothing of the old one', { resubscribe: { new: createSubscription() } }],
  ['nothing of the new one', { resubscribe: { old: createSubscription() } }],
  ['an endpoint that is a list', { release: { ...createSubscription(), endpoint: ['https://x.example'] } }],
  [
    'an endpoint without an end',
    { release: createSubscription({ endpoint: `https://x.example/${'x'.repeat(2048)}` }) },
  ],
  ['keys that are null', { release: { endpoint: 'https://x.example/', p256dh: null, auth: null } }],
  ['two things at once', { receipts: [], release: createSubscription() }],
])('a body with %s is refused', async (_what, body) => {
  expect(await tell(stack(), body)).toMatchObject({ status: 400, body: { code: 'body_malformed' } });
});

test('no key and no endpoint stands in a log, whatever was refused', async () => {
  const renewed = createSubscription({ endpoint: `https://evil.example/${createKeys().auth}` });
  await resubscribe(old, renewed);
  await resubscribe({ ...old, auth: renewed.auth }, renewed);
  await tell(stack(), { release: old });
  const log = stack.log().join('\n');
  for (const { endpoint, p256dh, auth } of [old, renewed])
    for (const secret of [endpoint.split('/').at(-1) ?? '', p256dh, auth]) expect(log).not.toContain(secret);
});
