import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHostileMessage } from '../../support/hostile-message.ts';
import { createUser } from '../../support/postgres.ts';
import { tell } from '../../support/push-events.ts';
import { generator } from '../../support/random-numbers.ts';
import { useStack } from '../../support/stack.ts';
import { createKeys, createSubscription, subscribe } from '../../support/subscriptions.ts';

const SEED = 11;
const MESSAGES = 2500;
const LANES = 20;
const DEVICES_OF_A_LANE = 8;

/** What createPushEvents() documents for what others send. Nothing here is the project's fault: no 5xx. */
const DOCUMENTED = new Set([
  '200',
  '400 body_malformed',
  '400 endpoint_malformed',
  '400 endpoint_not_allowed',
  '400 p256dh_invalid',
  '400 auth_invalid',
  '400 vapid_key_invalid',
  '404 subscription_unknown',
  '409 endpoint_taken',
  '413 body_too_large',
  '415 content_type_unsupported',
  '429 too_many_requests',
]);

const stack = useStack({ workers: { net: false, cron: false }, functions: ['push-events'] });

let sql: postgres.Sql;
beforeAll(async () => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
  await sql`update push.settings set resubscribe_limit = 1000000`;
});
afterAll(() => sql?.end());

async function registered() {
  const device = createSubscription();
  await subscribe(sql, (await createUser(sql)).id, device);
  return device;
}

test(`${MESSAGES} hostile messages get documented answers alone, and nothing unstorable reaches the database`, async () => {
  const bystander = await registered();
  const answers = new Map<string, number>();
  const lane = async (number: number) => {
    const random = generator(SEED + number);
    const devices = await Promise.all(Array.from({ length: DEVICES_OF_A_LANE }, registered));
    for (let count = number; count < MESSAGES; count += LANES) {
      const index = Math.floor(random() * devices.length);
      const { body, contentType, renewed } = createHostileMessage(random, devices[index] ?? bystander);
      const headers = { 'content-type': contentType };
      const { status, body: said } = await tell(stack(), '', { body, headers });
      if (status === 200 && renewed) devices[index] = renewed;
      const answer = status === 200 ? '200' : `${status} ${said.code}`;
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
      if (!DOCUMENTED.has(answer))
        throw new Error(`seed ${SEED}, message ${count}: ${answer} for ${String(body)}`);
      if (status !== 200)
        expect(said).toEqual({ code: said.code, message: expect.not.stringMatching(/push_|push\./) });
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
  console.log(Object.fromEntries([...answers].sort()));

  // The run is worth something only if it got as far as that.
  for (const answer of DOCUMENTED) if (!/429|409/.test(answer)) expect([...answers.keys()]).toContain(answer);
  expect(stack.log().filter((line) => line.startsWith('push-events: '))).toEqual([]);
  expect(stack.log().filter((line) => /^api: (?!PT4)/.test(line))).toEqual([]);
  expect(
    await sql`select from public.push_subscriptions where endpoint = ${bystander.endpoint}`,
  ).toHaveLength(1);
});

const NUL = 'a\u0000b';
const HALF = 'a\ud800b';
test.each([
  [
    'an old endpoint',
    (text: string) => ({
      resubscribe: { old: createSubscription({ endpoint: text }), new: createSubscription() },
    }),
  ],
  [
    'old keys',
    (text: string) => ({
      resubscribe: { old: { ...createSubscription(), auth: text }, new: createSubscription() },
    }),
  ],
  [
    'a new endpoint',
    (text: string) => ({
      resubscribe: { old: createSubscription(), new: createSubscription({ endpoint: text }) },
    }),
  ],
  [
    'new keys',
    (text: string) => ({
      resubscribe: { old: createSubscription(), new: { ...createSubscription(), p256dh: text } },
    }),
  ],
  [
    'a VAPID key',
    (text: string) => ({
      resubscribe: { old: createSubscription(), new: { ...createSubscription(), vapid_key: text } },
    }),
  ],
  ['an endpoint to release', (text: string) => ({ release: createSubscription({ endpoint: text }) })],
  [
    'keys to release',
    (text: string) => ({ release: { ...createSubscription(), ...createKeys(), auth: text } }),
  ],
])(
  '%s with a NUL or half a character is a bad request, and names nothing of the inside',
  async (_what, message) => {
    for (const text of [NUL, HALF]) {
      const { status, body } = await tell(stack(), message(text));
      expect([status, body.code]).toEqual([400, 'body_malformed']);
      expect(body.message).not.toMatch(/push_|22P05/);
    }
  },
);
