import { beforeEach, expect, test } from 'vitest';
import type { ClaimedDelivery } from '../../../src/server/channels/channel.ts';
import { fcmMessage } from '../../../src/server/channels/fcm/fcm-message.ts';
import { encodePayload, MAX_PAYLOAD_BYTES } from '../../../src/server/notification/payload.ts';
import { defineDigest } from '../../support/digests.ts';
import { readInbox } from '../../support/inbox.ts';
import { asService, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, startOfClock } from '../../support/queue.ts';
import { generator } from '../../support/random-numbers.ts';
import { LONGEST_RECEIPT } from '../../support/receipts.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { preview, saveTemplates } from '../../support/templates.ts';
import { createTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  user = (await createUser(sql)).id;
});

const ID = '1161380288898609914';

/** What JavaScript reads of params that were written with these numbers, given as JSON text. */
async function read(...numbers: string[]): Promise<unknown[]> {
  const { sql } = db();
  const [row] = await sql<{ params: { n: unknown[] } }[]>`
    insert into public.push_notifications (user_id, title, params)
    values (${user}, 'Hello', ${`{"n": [${numbers.join(', ')}]}`}::text::jsonb) returning params`;
  return row?.params.n ?? [];
}

test.each<[string, unknown]>([
  ['0', 0],
  ['-0.0', 0],
  ['7', 7],
  ['12.50', 12.5],
  ['1.00000000000000000000', 1],
  ['0.1', 0.1],
  ['0.30000000000000004', 0.30000000000000004],
  ['123456789012.3456', 123456789012.3456],
  ['9007199254740991', 9007199254740991],
  ['-9007199254740991', -9007199254740991],
  ['5e-324', 5e-324],
  ['9007199254740992', '9007199254740992'],
  ['9007199254740993', '9007199254740993'],
  ['-9007199254740993', '-9007199254740993'],
  [ID, ID],
  // A double has these digits and is another number: BigInt() shows …609920. And all ids of a column have one type.
  ['1161380288898610000', '1161380288898610000'],
  ['18446744073709551615', '18446744073709551615'],
  ['0.10000000000000000001', '0.10000000000000000001'],
  ['-12345678901234567.89', '-12345678901234567.89'],
  ['19.999999999999999999', '19.999999999999999999'],
  ['1e400', `1${'0'.repeat(400)}`],
  ['1e-400', `0.${'0'.repeat(399)}1`],
])('%s is read as %j', async (written, expected) => {
  expect(await read(written)).toEqual([expected]);
});

/** The digits of a decimal number without what does not count. */
function plain(text: string): string {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)0*(\d*?)(?:\.(\d*?)0*)?$/.exec(text) ?? [];
  return `${whole}${fraction}` === '' ? '0' : `${sign}${whole || '0'}${fraction ? `.${fraction}` : ''}`;
}

test('of 5,000 random numbers all digits are read, and one that JavaScript holds is a number', async () => {
  const random = generator(1161);
  const digits = (count: number) =>
    Array.from({ length: count }, () => String(Math.floor(random() * 10))).join('');
  const texts = Array.from({ length: 5000 }, () => {
    const fraction = random() < 0.5 ? `.${digits(1 + Math.floor(random() * 12))}` : '';
    return `${random() < 0.5 ? '-' : ''}${1 + Math.floor(random() * 9)}${digits(Math.floor(random() * 18))}${fraction}`;
  });
  let strings = 0;
  for (let at = 0; at < texts.length; at += 50) {
    const written = texts.slice(at, at + 50);
    (await read(...written)).forEach((value, index) => {
      const text = written[index] as string;
      expect(plain(String(value))).toBe(plain(text));
      const exact = plain(text);
      const isHeld =
        plain(String(Number(text))) === exact && (exact.includes('.') || Number.isSafeInteger(Number(text)));
      expect([text, typeof value]).toEqual([text, isHeld ? 'number' : 'string']);
      if (!isHeld) strings += 1;
    });
  }
  expect(strings).toBeGreaterThan(1000);
  expect(strings).toBeLessThan(4000);
});

test('wherever it stands, and nothing else is touched', async () => {
  const { sql } = db();
  const params = `{
    "id": ${ID}, "list": [[1, ${ID}]], "deal": {"id": ${ID}, "name": "No ${ID}, [${ID}] \\"${ID}\\" \\\\"},
    "${ID}": null, "a\\\\": true, "": "", "-1.5e9": -1.5e9, "unicode": "ü 😀 ${ID}"
  }`;
  const [row] = await sql<{ params: unknown }[]>`
    insert into public.push_notifications (user_id, title, params) values (${user}, 'Hello', ${params}::text::jsonb)
    returning params`;
  expect(row?.params).toEqual({
    id: ID,
    list: [[1, ID]],
    deal: { id: ID, name: `No ${ID}, [${ID}] "${ID}" \\` },
    [ID]: null,
    'a\\': true,
    '': '',
    '-1.5e9': -1.5e9,
    unicode: `ü 😀 ${ID}`,
  });
});

test('however deep', async () => {
  const { sql } = db();
  const [open, close] = ['['.repeat(1500), ']'.repeat(1500)];
  const [row] = await sql`
    insert into public.push_notifications (user_id, title, params)
    values (${user}, 'Hello', ${`{"n": ${open}${ID}${close}}`}::text::jsonb) returning params::text`;
  expect(row?.params).toBe(`{"n": ${open}"${ID}"${close}}`);
});

test('by every way in', async () => {
  const { sql } = db();
  const params = `{"id": ${ID}}`;
  const { topic } = await createTopic(sql, 0);
  await sql`select push.notify(${user}::uuid, 'notify', p_params => ${params}::text::jsonb)`;
  await sql`select push.notify_many(array[${user}]::uuid[], 'notify_many', p_params => ${params}::text::jsonb)`;
  await sql`select push.notify_topic(${topic}, 'notify_topic', p_params => ${params}::text::jsonb)`;
  await asService(
    sql,
    (t) =>
      t`select public.push_notify(${user}::uuid, jsonb_build_object('title', 'rpc', 'params', ${params}::text::jsonb))`,
  );
  await asService(
    sql,
    (t) =>
      t`insert into public.push_notifications (user_id, title, params) values (${user}, 'insert', ${params}::text::jsonb)`,
  );
  const [changed] = await sql`
    insert into public.push_notifications (user_id, title, send_at) values (${user}, 'update', now() + interval '1 hour')
    returning id`;
  await asService(
    sql,
    (t) =>
      t`update public.push_notifications set params = ${params}::text::jsonb where id = ${changed?.id as string}`,
  );
  const rows = await sql`select title, params from public.push_notifications order by title`;
  expect(rows.map(({ title, params: kept }) => [title, kept])).toEqual(
    ['insert', 'notify', 'notify_many', 'notify_topic', 'rpc', 'update'].map((title) => [title, { id: ID }]),
  );
});

test('browsers, apps and the inbox get the same digits', async () => {
  const { sql } = db();
  await subscribe(sql, user);
  await sql`
    select push.notify(${user}::uuid, 'Hello',
      p_params => jsonb_build_object('id', ${ID}::text::bigint, 'price', 0.12345678901234567890, 'count', 3))`;
  const expected = { id: ID, price: '0.12345678901234567890', count: 3 };

  // As the function gets it: by JSON.parse.
  const [claimed] = await asService(sql, (t) => claim(t, startOfClock()));
  const content = {
    notificationId: claimed?.notification_id as string,
    title: 'Hello',
    body: null,
    url: null,
    params: claimed?.params as Record<string, unknown>,
    category: null,
    collapseKey: null,
    tag: null,
    presentation: null,
    position: null,
    appUrl: null,
  };
  const payload = new TextDecoder().decode(encodePayload(content, LONGEST_RECEIPT));
  expect(JSON.parse(payload).notification.data).toMatchObject(expected);
  const delivery: ClaimedDelivery<'fcm'> = {
    deliveryId: 1,
    claimNumber: 1,
    userId: 'a user',
    host: 'https://fcm.googleapis.com',
    target: { channel: 'fcm', token: 'x' },
    content,
    urgency: 'normal',
    ttl: 60,
  };
  const { data } = await fcmMessage(delivery, LONGEST_RECEIPT, 0);
  expect(JSON.parse(data.params ?? '')).toEqual(expected);
  expect((await readInbox(sql, user)).map(({ params }) => params)).toEqual([expected]);
});

test('a template says all digits, and its sample keeps them', async () => {
  const { sql } = db();
  await saveTemplates(sql, {
    key: 'order',
    title: 'Order {{id}}',
    body: '{{#items}}{{.}};{{/items}}',
    url: '/orders/{{id}}',
    tag: 'order-{{id}}',
    sample: { id: 1, items: [1] },
  });
  await sql`
    update public.push_templates set sample = ${`{"id": ${ID}, "items": [${ID}, 1.50]}`}::text::jsonb where key = 'order'`;
  const [saved] = await sql`select sample from public.push_templates where key = 'order'`;
  expect(saved?.sample).toEqual({ id: ID, items: [ID, 1.5] });
  const said = { title: `Order ${ID}`, body: `${ID};1.50;`, url: `/orders/${ID}`, tag: `order-${ID}` };
  expect(await preview(sql, 'order')).toMatchObject(said);
  await sql`
    select push.notify(${user}::uuid, p_template => 'order', p_params => ${`{"id": ${ID}, "items": [${ID}, 1.50]}`}::text::jsonb)`;
  const [row] = await sql`select title, body, url, tag, params from public.push_notifications`;
  expect(row).toEqual({ ...said, params: { id: ID, items: [ID, 1.5] } });
});

test('the summary of a digest names them', async () => {
  const { sql } = db();
  await defineDigest(sql, 'orders');
  await sql`
    select push.notify(${user}::uuid, 'Order ' || n, p_digest_key => 'orders:1', p_params => jsonb_build_object('id', ${ID}::text::bigint + n))
    from generate_series(0, 1) as n`;
  await sql`select push.close_digests(10, clock_timestamp() + interval '2 hours')`;
  const [summary] =
    await sql`select params from public.push_notifications where digest_id is not null and not inbox`;
  const ids = summary?.params.items.map((item: { params: { id: unknown } }) => item.params.id);
  expect(ids.sort()).toEqual([ID, '1161380288898609915']);
  await sql`select push.drop_digest('orders')`;
});

test('the same call again is the same message', async () => {
  const { sql } = db();
  const call = (id: string) => sql<{ id: string }[]>`
    select push.notify(${user}::uuid, 'Hello', p_params => ${`{"id": ${id}}`}::text::jsonb, p_idempotency_key => 'order') as id`;
  const [first] = await call(ID);
  const [again] = await call(ID);
  expect(again).toEqual(first);
  expect((await refusalOf(call('1161380288898609915'))).code).toBe('idempotency_conflict');
});

test('a message of such numbers is counted as the device gets it', async () => {
  const { sql } = db();
  const accepted = async (count: number) => {
    const params = `{"n": [${Array.from({ length: count }, () => ID).join(', ')}]}`;
    const made = await sql<{ params: Record<string, unknown> }[]>`
      insert into public.push_notifications (user_id, title, params) values (${user}, 'Hello', ${params}::text::jsonb)
      returning params`.catch(() => []);
    return made[0]?.params;
  };
  let [low, high] = [1, 300];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await accepted(middle)) low = middle;
    else high = middle;
  }
  const params = (await accepted(low)) ?? {};
  const payload = encodePayload(
    {
      notificationId: '00000000-0000-0000-0000-000000000000',
      title: 'Hello',
      body: null,
      url: null,
      params,
      category: null,
      collapseKey: null,
      tag: null,
      presentation: null,
      position: null,
      appUrl: null,
    },
    LONGEST_RECEIPT,
  );
  expect(payload.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
  expect(payload.length).toBeGreaterThan(MAX_PAYLOAD_BYTES - 300);
});
