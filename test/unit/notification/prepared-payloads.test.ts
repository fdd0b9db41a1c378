import { expect, test } from 'vitest';
import {
  encodePayload,
  type NotificationContent,
  preparePayload,
} from '../../../src/server/notification/payload.ts';
import { createPreparedPayloads } from '../../../src/server/notification/prepared-payloads.ts';
import { createRandom, randomContent } from '../../support/random-content.ts';
import { LONGEST_RECEIPT } from '../../support/receipts.ts';
import { content } from '../channels/delivery.ts';

/** Payloads that are prepared through it, and how many of them were prepared anew. */
function counted() {
  let prepared = 0;
  const prepare = createPreparedPayloads((given) => {
    prepared += 1;
    return preparePayload(given);
  });
  return { prepare, count: () => prepared };
}

const receiptOf = (payload: Uint8Array): string =>
  JSON.parse(new TextDecoder().decode(payload)).notification.data.supapush.receipt;

test('one notification is prepared once, and each delivery has its own receipt', () => {
  const { prepare, count } = counted();
  const receipts = ['1.a', '2.b', LONGEST_RECEIPT];
  const payloads = receipts.map((receipt) => prepare(content({ params: { deal: { id: 7 } } }))(receipt));
  expect(payloads.map(receiptOf)).toEqual(receipts);
  expect(count()).toBe(1);
});

test.each<Partial<NotificationContent>>([
  { title: 'Servus' },
  { body: null },
  { url: '/elsewhere' },
  { params: { deal: 8 } },
  { category: 'alerts' },
  { collapseKey: 'dax' },
  { tag: 'deal:7' },
  { presentation: { silent: true } },
  { presentation: { appBadge: 3 } },
  { appUrl: 'https://app.example.com' },
])('a text of its own, or one that was changed since, is prepared anew: %j', (change) => {
  const { prepare, count } = counted();
  prepare(content());
  expect(prepare(content(change))('1.a')).toEqual(encodePayload(content(change), '1.a'));
  expect(prepare(content())('1.a')).toEqual(encodePayload(content(), '1.a'));
  expect(count()).toBe(2);
});

test('many notifications, and many texts of one, do not fill the memory: old ones are prepared again', () => {
  const { prepare, count } = counted();
  for (let index = 0; index < 1000; index += 1) prepare(content({ notificationId: `n${index}` }));
  for (let index = 0; index < 1000; index += 1) prepare(content({ title: `t${index}` }));
  prepare(content({ notificationId: 'n0' }));
  prepare(content({ title: 't0' }));
  expect(count()).toBe(2002);
});

test('of 500 random messages each has the receipt in its place, and is what it is with any other', () => {
  const random = createRandom(2104);
  for (let run = 0; run < 500; run += 1) {
    const given = randomContent(random);
    const parse = (receipt: string) =>
      JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(encodePayload(given, receipt)));
    const [one, other] = [parse('1.a'), parse(LONGEST_RECEIPT)];
    expect(other.notification.data.supapush.receipt).toBe(LONGEST_RECEIPT);
    other.notification.data.supapush.receipt = '1.a';
    expect(other).toEqual(one);
  }
});

test('params that call themselves as ours does not move it, nor does what a text says', () => {
  const params = { supapush: { receipt: 'forged' }, z: 1, '7': 2 };
  const text = '"receipt":""}}},"mutable":true}';
  const payload = encodePayload(content({ title: text, body: text, category: text, params }), '1.a');
  const { notification } = JSON.parse(new TextDecoder().decode(payload));
  expect(notification).toMatchObject({ title: text, body: text });
  expect(notification.data).toEqual({
    '7': 2,
    z: 1,
    supapush: { notification_id: content().notificationId, category: text, receipt: '1.a' },
  });
});
