import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import webpush from 'web-push';
import { createReceiptTokens, type ReceiptTokens } from '../../../src/server/channels/receipt-tokens.ts';
import { tell } from '../../support/push-events.ts';
import { queueOne } from '../../support/queue.ts';
import { useStack } from '../../support/stack.ts';

const [keys, previous, foreign] = [0, 1, 2].map(() => webpush.generateVAPIDKeys()) as [Keys, Keys, Keys];
type Keys = ReturnType<typeof webpush.generateVAPIDKeys>;
const stack = useStack({
  workers: { net: false, cron: false },
  functions: ['push-events'],
  secrets: {
    VAPID_PUBLIC_KEY: keys.publicKey,
    VAPID_PRIVATE_KEY: keys.privateKey,
    VAPID_PREVIOUS_KEYS: JSON.stringify([previous]),
  },
});

let sql: postgres.Sql;
let tokens: ReceiptTokens;
let deliveryId: number;
beforeAll(async () => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
  tokens = await createReceiptTokens([keys], stack().url);
});
afterAll(() => sql?.end());
beforeEach(async () => {
  await sql`delete from push.receipts`;
  deliveryId = Number((await queueOne(sql)).deliveryId);
});

const stored = async () =>
  await sql`select delivery_id, event, action, occurred_at from push.receipts order by event`;
const sign = (id = deliveryId) => tokens.sign(id);

test('what a device says with its token is recorded; said again, it is not', async () => {
  const receipts = [
    { receipt: await sign(), event: 'displayed', at: new Date().toISOString() },
    { receipt: await sign(), event: 'action', action: 'open' },
  ];
  expect(await tell(stack(), { receipts })).toMatchObject({
    status: 200,
    body: { accepted: 2, repeated: 0, refused: 0 },
  });
  expect((await tell(stack(), { receipts })).body).toEqual({ accepted: 0, repeated: 2, refused: 0 });
  expect((await stored()).map(({ event, action }) => [event, action])).toEqual([
    ['action', 'open'],
    ['displayed', null],
  ]);
});

test('a token that was signed before the keys were rotated is still good', async () => {
  const before = await createReceiptTokens([previous], stack().url);
  const receipts = [{ receipt: await before.sign(deliveryId), event: 'clicked' }];
  expect((await tell(stack(), { receipts })).body).toMatchObject({ accepted: 1 });
});

test('forged, cut, foreign and malformed ones are refused, and take no good one with them', async () => {
  const good = await sign();
  const other = await (await createReceiptTokens([foreign], stack().url)).sign(deliveryId);
  const elsewhere = await (await createReceiptTokens([keys], 'https://other.example.com')).sign(deliveryId);
  const [, mac] = good.split('.');
  const bad = [
    ...[other, elsewhere, good.slice(0, -1), `${good}A`, good.toUpperCase(), `${deliveryId + 1}.${mac}`],
    ...[`${deliveryId}.${randomBytes(16).toString('base64url')}`, `${deliveryId}.`, mac, `.${mac}`, '', '.'],
    ...[
      `1e1.${mac}`,
      `99999999999999999999.${mac}`,
      `${deliveryId}'--.${mac}`,
      `\u0000${good}`,
      7,
      null,
      {},
      [good],
    ],
  ].map((receipt) => ({ receipt, event: 'clicked' }));
  const malformed = [
    { receipt: good, event: 'seen' },
    { receipt: good, event: '__proto__' },
    { receipt: good, event: ['clicked'] },
    { receipt: good },
    { receipt: good, event: 'clicked', at: 7 },
    { receipt: good, event: 'action', action: 'x'.repeat(101) },
    ...[null, 7, 'clicked', []],
  ];
  const receipts = [...bad, { receipt: good, event: 'displayed' }, ...malformed];
  const { status, body } = await tell(stack(), { receipts });
  expect([status, body]).toEqual([200, { accepted: 1, repeated: 0, refused: bad.length + malformed.length }]);
  expect(await stored()).toMatchObject([{ delivery_id: String(deliveryId), event: 'displayed' }]);
});

test('a token of a delivery that is no more is refused', async () => {
  const receipts = [{ receipt: await sign(deliveryId + 1_000_000), event: 'clicked' }];
  expect((await tell(stack(), { receipts })).body).toEqual({ accepted: 0, repeated: 0, refused: 1 });
});

test('keys that name what every object has steer nothing', async () => {
  const receipt = await sign();
  const polluted = `{"receipts": [
    {"__proto__": {"receipt": "${receipt}", "event": "clicked"}},
    {"constructor": {"prototype": {"event": "clicked"}}, "receipt": "${receipt}"},
    {"receipt": "${receipt}", "event": "displayed", "__proto__": {"action": "x"}, "delivery_id": 1}
  ]}`;
  expect((await tell(stack(), polluted)).body).toEqual({ accepted: 1, repeated: 0, refused: 2 });
  expect(await stored()).toMatchObject([
    { delivery_id: String(deliveryId), event: 'displayed', action: null },
  ]);
  expect(await tell(stack(), `{"__proto__": {"receipts": []}}`)).toMatchObject({ status: 400 });
});

test.each([
  '9999-12-31T23:59:59Z',
  '+275760-09-13T00:00:00.000Z',
  '-271821-04-20T00:00:00.000Z',
  '0001-01-01',
  'yesterday',
  '',
  null,
])('whatever a clock says (%j), it happened between the delivery and now', async (at) => {
  const receipts = [{ receipt: await sign(), event: 'displayed', at }];
  expect((await tell(stack(), { receipts })).body).toMatchObject({ accepted: 1 });
  const [row] = await sql`
    select r.occurred_at between d.created_at and r.recorded_at as sane
    from push.receipts as r join push.deliveries as d on d.id = r.delivery_id`;
  expect(row).toEqual({ sane: true });
});

test('an action that Postgres could not store as it is is stored', async () => {
  const receipts = [{ receipt: await sign(), event: 'action', action: 'a\u0000b\ud800' }];
  expect((await tell(stack(), { receipts })).body).toMatchObject({ accepted: 1 });
  expect(await stored()).toMatchObject([{ action: 'a b\ufffd' }]);
});

test('100 at once, and no more', async () => {
  const receipts = await Promise.all(
    Array.from({ length: 101 }, async (_, index) => ({
      receipt: await sign(index + 1_000_000),
      event: 'clicked',
    })),
  );
  expect((await tell(stack(), { receipts: receipts.slice(1) })).body).toEqual({
    accepted: 0,
    repeated: 0,
    refused: 100,
  });
  expect(await tell(stack(), { receipts })).toMatchObject({ status: 400, body: { code: 'body_malformed' } });
  expect((await tell(stack(), { receipts: [] })).body).toEqual({ accepted: 0, repeated: 0, refused: 0 });
});

test('a caller who repeats one again and again is told to wait; others are not', async () => {
  const receipts = Array.from({ length: 41 }, () => ({ receipt: '', event: 'clicked' }));
  const receipt = await sign();
  for (const each of receipts) each.receipt = receipt;
  expect((await tell(stack(), { receipts: receipts.slice(1) })).body).toMatchObject({
    accepted: 1,
    repeated: 39,
  });
  const refused = await tell(stack(), { receipts: receipts.slice(40) });
  expect(refused).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
  expect(refused.headers.get('access-control-allow-origin')).toBe('*');
  const { deliveryId: another } = await queueOne(sql);
  const other = [{ receipt: await sign(Number(another)), event: 'clicked' }];
  expect((await tell(stack(), { receipts: other })).body).toMatchObject({ accepted: 1 });
});

test('nothing of all this was logged', async () => {
  const receipt = await sign();
  await tell(stack(), { receipts: [{ receipt, event: 'clicked' }] });
  const log = stack.log().filter((line) => line.startsWith('push-events:'));
  expect(log.filter((line) => !line.includes('Listening'))).toEqual([]);
  expect(stack.log().join('\n')).not.toContain(receipt.split('.')[1]);
});
