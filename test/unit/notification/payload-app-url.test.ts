import { expect, test } from 'vitest';
import {
  encodePayload,
  MAX_PAYLOAD_BYTES,
  SAFE_PAYLOAD_BYTES,
} from '../../../src/server/notification/payload.ts';
import { LONGEST_RECEIPT } from '../../support/receipts.ts';
import { content } from '../channels/delivery.ts';

const appUrl = 'https://app.example.com';
const encoded = (values: Parameters<typeof content>[0]) =>
  encodePayload(content({ appUrl, ...values }), LONGEST_RECEIPT);
// biome-ignore lint/suspicious/noExplicitAny: what a device parses is any JSON
const notification = (values: Parameters<typeof content>[0]): any =>
  JSON.parse(new TextDecoder().decode(encoded(values))).notification;

test.each([
  [null, 'https://app.example.com/'],
  ['/', 'https://app.example.com/'],
  ['/deals/7?a=b#c', 'https://app.example.com/deals/7?a=b#c'],
  ['https://elsewhere.example/deals/7', 'https://elsewhere.example/deals/7'],
])('the url %s leads to %s, which needs no base to be read', (url, expected) => {
  expect(notification({ url }).navigate).toBe(expected);
  expect(new URL(expected).href).toBe(expected);
});

test('so do actions; images stay as they are', () => {
  const actions = [
    { action: 'open', title: 'Open', url: '/open' },
    { action: 'later', title: 'Later' },
  ];
  const shown = notification({ url: '/deals/7', presentation: { icon: '/icon.png', actions } });
  expect(shown).toMatchObject({
    icon: '/icon.png',
    actions: [{ navigate: `${appUrl}/open` }, { navigate: `${appUrl}/deals/7` }],
  });
});

test('text makes room for it', () => {
  const payload = encoded({ url: '/deals/7', body: 'x'.repeat(8000) });
  expect(payload.length).toBe(SAFE_PAYLOAD_BYTES);
  expect(notification({ url: '/deals/7', body: 'x'.repeat(8000) }).navigate).toBe(`${appUrl}/deals/7`);
});

test('where data leaves no room for it, paths stay paths, and the message arrives', () => {
  const without = (length: number) =>
    encodePayload(content({ params: { x: 'x'.repeat(length) } }), LONGEST_RECEIPT);
  const params = { x: 'x'.repeat(MAX_PAYLOAD_BYTES - without(0).length) };
  expect(encoded({ params }).length).toBe(MAX_PAYLOAD_BYTES);
  expect(notification({ params })).toMatchObject({ title: 'Hello', navigate: '/', data: params });
});
