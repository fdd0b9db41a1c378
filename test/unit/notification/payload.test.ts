import { describe, expect, test } from 'vitest';
import { encodePayload, MAX_PAYLOAD_BYTES } from '../../../src/server/notification/payload.ts';
import { LONGEST_RECEIPT } from '../../support/receipts.ts';
import { content } from '../channels/delivery.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a device parses is any JSON
const decoded = (values: Parameters<typeof content>[0]): any =>
  JSON.parse(
    new TextDecoder('utf-8', { fatal: true }).decode(encodePayload(content(values), LONGEST_RECEIPT)),
  );

const NOTIFICATION_ID = content().notificationId;

describe('a payload', () => {
  test('has every member that Declarative Web Push requires, whatever was left out', () => {
    expect(decoded({ title: 'Hi', body: null })).toEqual({
      web_push: 8030,
      notification: {
        title: 'Hi',
        navigate: '/',
        tag: NOTIFICATION_ID,
        data: { supapush: { notification_id: NOTIFICATION_ID, receipt: LONGEST_RECEIPT } },
      },
      mutable: true,
    });
  });

  test('has everything that was given', () => {
    const url = 'https://example.com/deals/7?a=b#c';
    expect(
      decoded({
        title: 'Hi',
        body: 'there',
        url,
        params: { deal: 7 },
        category: 'alerts:DAX',
        collapseKey: 'dax',
      }),
    ).toEqual({
      web_push: 8030,
      notification: {
        title: 'Hi',
        body: 'there',
        navigate: url,
        tag: 'dax',
        data: {
          deal: 7,
          supapush: { notification_id: NOTIFICATION_ID, category: 'alerts:DAX', receipt: LONGEST_RECEIPT },
        },
      },
      mutable: true,
    });
  });

  test('has an empty body where one was given, and none where none was', () => {
    expect(decoded({ body: '' }).notification.body).toBe('');
    expect(decoded({ body: null }).notification).not.toHaveProperty('body');
  });

  test('keeps params of any shape', () => {
    const params = { a: null, b: [1, { c: 'd' }], 'e f': true, number: 1e21, empty: {}, '': 'x' };
    expect(decoded({ params }).notification.data).toMatchObject(params);
  });

  test('keeps its own entry, whatever params call themselves', () => {
    const params = { supapush: { notification_id: 'forged', admin: true }, notification_id: 'mine' };
    expect(decoded({ params }).notification.data).toEqual({
      notification_id: 'mine',
      supapush: { notification_id: NOTIFICATION_ID, receipt: LONGEST_RECEIPT },
    });
  });

  test('is not steered by params that name members of the message', () => {
    const params = JSON.parse(
      '{"__proto__":{"x":1},"title":"forged","navigate":"https://evil.tld","web_push":1}',
    );
    const payload = decoded({ title: 'Hi', params });
    expect(payload).toMatchObject({ web_push: 8030, notification: { title: 'Hi', navigate: '/' } });
    expect(Object.keys(payload.notification.data)).toEqual([
      '__proto__',
      'title',
      'navigate',
      'web_push',
      'supapush',
    ]);
  });

  test.each([
    'Größer als 5 €',
    '日本語',
    '👩‍👩‍👧‍👦 family',
    'עברית ⁧',
    'a\u2028b',
    '"quoted" \\ back',
    'tab\tnewline\n',
  ])('keeps the text %j', (title) => {
    expect(decoded({ title, body: title }).notification).toMatchObject({ title, body: title });
  });

  test('is UTF-8, in which one emoji is four bytes', () => {
    const size = (body: string) => encodePayload(content({ body }), LONGEST_RECEIPT).length;
    expect(size('😀'.repeat(100)) - size('')).toBe(400);
    expect(size('é'.repeat(100)) - size('')).toBe(200);
  });
});

test('the limit is what RFC 8291 leaves of 4096 bytes', () => {
  expect(MAX_PAYLOAD_BYTES).toBe(4096 - 86 - 16 - 1);
});

test('a notification as large as the database allows fits into one message', () => {
  // push.settings: title, body, url, params and category together, as JSON, at most 3800 bytes when stretched.
  const empty = Buffer.byteLength(JSON.stringify({ title: '', body: '', url: '', params: {}, category: '' }));
  const category = 'c'.repeat(100);
  const url = `/${'u'.repeat(400)}`;
  const body = 'b'.repeat(3500 - empty - category.length - url.length - 1);
  const payload = encodePayload(
    content({ title: 't', body, url, category, collapseKey: 't'.repeat(32) }),
    LONGEST_RECEIPT,
  );
  expect(payload.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
});
