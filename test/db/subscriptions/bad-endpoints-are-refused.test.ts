import { beforeAll, describe, expect, test } from 'vitest';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createKeys, createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

// The servers that send are what a stranger would reach through an endpoint: their loopback, their cloud's metadata,
// their private network, in every notation that some URL parser understands.
const ENDPOINTS: Record<string, string[]> = {
  'no https': [
    'http://fcm.googleapis.com/fcm/send/x',
    'HTTP://fcm.googleapis.com/fcm/send/x',
    'http://127.0.0.1:8080/push',
    'http://localhost/push',
    'ftp://fcm.googleapis.com/x',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'data:text/plain,x',
    'ws://fcm.googleapis.com/x',
    'wss://updates.push.services.mozilla.com/x',
    'gopher://fcm.googleapis.com/x',
    '//fcm.googleapis.com/fcm/send/x',
    'fcm.googleapis.com/fcm/send/x',
    '/fcm/send/x',
    'https:/fcm.googleapis.com/x',
    'https:fcm.googleapis.com/x',
    'https:///fcm.googleapis.com/x',
    'https//fcm.googleapis.com/x',
    'blob:https://fcm.googleapis.com/x',
    '',
    'x',
  ],
  'loopback addresses': [
    'https://127.0.0.1/x',
    'https://127.1/x',
    'https://127.0.1/x',
    'https://0/x',
    'https://0.0.0.0/x',
    'https://2130706433/x',
    'https://0x7f000001/x',
    'https://0x7f.0.0.1/x',
    'https://0X7F.1/x',
    'https://017700000001/x',
    'https://0177.0.0.1/x',
    'https://127.0.0.1./x',
    'https://[::1]/x',
    'https://[::]/x',
    'https://[0:0:0:0:0:0:0:1]/x',
    'https://[::ffff:127.0.0.1]/x',
    'https://[::ffff:7f00:1]/x',
    'https://[::127.0.0.1]/x',
    'https://localhost/x',
    'https://localhost:443/x',
    'https://localhost.localdomain/x',
    'https://①②⑦.⓪.⓪.①/x',
  ],
  'private, link-local and metadata addresses': [
    'https://10.0.0.1/x',
    'https://167772161/x',
    'https://0xa000001/x',
    'https://012.0.0.1/x',
    'https://172.16.0.1/x',
    'https://192.168.0.1/x',
    'https://3232235521/x',
    'https://169.254.169.254/latest/meta-data/',
    'https://2852039166/latest/meta-data/',
    'https://0xa9fea9fe/latest/meta-data/',
    'https://0xA9.0xFE.0xA9.0xFE/latest/meta-data/',
    'https://0251.0376.0251.0376/latest/meta-data/',
    'https://[::ffff:169.254.169.254]/x',
    'https://[::ffff:a9fe:a9fe]/x',
    'https://[64:ff9b::169.254.169.254]/x',
    'https://[fe80::1]/x',
    'https://[fe80::1%25eth0]/x',
    'https://[fd00::1]/x',
    'https://[fc00::1]/x',
    'https://[fd00:ec2::254]/x',
    'https://100.100.100.200/x',
    'https://metadata.google.internal/computeMetadata/v1/',
    'https://metadata/x',
    'https://kong:8000/x',
    'https://host.docker.internal/x',
    'https://8.8.8.8/x',
  ],
  userinfo: [
    'https://user@fcm.googleapis.com/fcm/send/x',
    'https://user:password@fcm.googleapis.com/fcm/send/x',
    'https://@fcm.googleapis.com/fcm/send/x',
    'https://:@fcm.googleapis.com/fcm/send/x',
    'https://fcm.googleapis.com@evil.example/fcm/send/x',
    'https://fcm.googleapis.com:443@evil.example/x',
    'https://fcm.googleapis.com%2f@evil.example/x',
    'https://web.push.apple.com@127.0.0.1/x',
    'https://evil.example\\@fcm.googleapis.com/x',
  ],
  ports: [
    'https://fcm.googleapis.com:443/fcm/send/x',
    'https://fcm.googleapis.com:8443/fcm/send/x',
    'https://fcm.googleapis.com:80/fcm/send/x',
    'https://fcm.googleapis.com:0/fcm/send/x',
    'https://fcm.googleapis.com:/fcm/send/x',
    'https://fcm.googleapis.com:00443/fcm/send/x',
    'https://fcm.googleapis.com:65536/fcm/send/x',
    'https://web.push.apple.com:443/x',
    'https://web.push.apple.com:2197/x',
    'https://wns2-by3p.notify.windows.com:443/w/?token=x',
    'https://updates.push.services.mozilla.com:22/x',
  ],
  'look-alike hosts': [
    'https://fcm.googleapis.com.evil.tld/fcm/send/x',
    'https://evilfcm.googleapis.com/fcm/send/x',
    'https://evil.fcm.googleapis.com/fcm/send/x',
    'https://fcm.googleapis.com%2eevil.tld/x',
    'https://fcm.googleapis.com%00.evil.tld/x',
    'https://fcm%2egoogleapis%2ecom/x',
    'https://fcm.googleapis.co/x',
    'https://fcm.googleapis.comm/x',
    'https://fcm-googleapis.com/x',
    'https://fcmXgoogleapis.com/x',
    'https://googleapis.com/x',
    'https://storage.googleapis.com/x',
    'https://evil.tld/fcm.googleapis.com/x',
    'https://evil.tld/https://fcm.googleapis.com/x',
    'https://evil.tld?https://fcm.googleapis.com/x',
    'https://evil.tld#https://fcm.googleapis.com/x',
    'https://evil.tld#.push.apple.com/x',
    'https://evil.tld?.push.apple.com/x',
    'https://evil.tld\\.push.apple.com/x',
    'https://evil.tld/.push.apple.com/x',
    'https://evil.tld:443/.push.apple.com',
    'https://127.0.0.1%23.push.apple.com/x',
    'https://xpush.apple.com/x',
    'https://push.apple.com/x',
    'https://.push.apple.com/x',
    'https://..push.apple.com/x',
    'https://a..push.apple.com/x',
    'https://.a.push.apple.com/x',
    'https://-.push.apple.com/x',
    'https://-a.push.apple.com/x',
    'https://a-.push.apple.com/x',
    'https://a_b.push.apple.com/x',
    'https://*.push.apple.com/x',
    'https://%2a.push.apple.com/x',
    'https://web.push.apple.com.evil.tld/x',
    'https://web.push.apple.comevil.tld/x',
    'https://notify.windows.com/x',
    'https://evilnotify.windows.com/x',
    'https://wns2.notify.windows.com.evil.tld/x',
    'https://updates.push.services.mozilla.com.evil.tld/x',
    'https://evil.updates.push.services.mozilla.com/x',
    'https://permanently-removed.invalid/fcm/send/x',
  ],
  'trailing dots': [
    'https://fcm.googleapis.com./fcm/send/x',
    'https://fcm.googleapis.com../fcm/send/x',
    'https://web.push.apple.com./x',
    'https://wns2-by3p.notify.windows.com./w/?token=x',
  ],
  'punycode and Unicode look-alikes': [
    'https://xn--fcm-googleapis-com.tld/x',
    'https://xn--fm-hmc.googleapis.com/x',
    'https://fcm.googleapis.xn--com-9k5a/x',
    'https://fсm.googleapis.com/x',
    'https://fcm。googleapis。com/x',
    'https://fcm.googleapis.com。evil.tld/x',
    'https://ｆｃｍ.googleapis.com/x',
    'https://fcm.googleapis.com⁄x.evil.tld/x',
    'https://fcm.googleapis.com／.evil.tld/x',
    'https://web.push.apple.c\u043em/x',
    'https://\u200bfcm.googleapis.com/x',
    'https://fcm.\u00adgoogleapis.com/x',
    'https://fcm.googleapis.com/ü',
  ],
  'upper case': [
    'https://FCM.googleapis.com/fcm/send/x',
    'https://fcm.GoogleAPIs.com/fcm/send/x',
    'HTTPS://fcm.googleapis.com/fcm/send/x',
    'https://WEB.push.apple.com/x',
  ],
  'backslashes, white space and control characters': [
    'https:\\\\fcm.googleapis.com\\x',
    'https://fcm.googleapis.com\\.evil.tld/x',
    'https://fcm.googleapis.com\\x',
    'https://fcm.googleapis.com/\\evil.tld',
    ' https://fcm.googleapis.com/x',
    'https://fcm.googleapis.com/x ',
    'https://fcm.googleapis.com/a b',
    'https:// fcm.googleapis.com/x',
    'https://fcm.googleapis.com/x\n',
    'https://fcm.googleapis.com/x\r\nHost: evil.tld',
    'https://fcm.googleapis.com\n/x',
    'https://fcm.googleapis.com\t.evil.tld/x',
    'https://fcm.goo\tgleapis.com/x',
    'ht\ntps://fcm.googleapis.com/x',
    'https://evil.tld/\nhttps://fcm.googleapis.com/x',
    'https://fcm.googleapis.com/\u007f',
    'https://fcm.googleapis.com/\u0001',
    'https://fcm.googleapis.com/\u00a0',
    '\ufeffhttps://fcm.googleapis.com/x',
  ],
  'fragments and missing paths': [
    'https://fcm.googleapis.com/fcm/send/x#y',
    'https://fcm.googleapis.com/#',
    'https://fcm.googleapis.com#x',
    'https://fcm.googleapis.com',
    'https://fcm.googleapis.com?x',
    'https://web.push.apple.com',
  ],
};

const CASES = Object.entries(ENDPOINTS).flatMap(([group, endpoints]) =>
  endpoints.map((endpoint) => [group, endpoint] as const),
);
const CODES = ['endpoint_malformed', 'endpoint_not_allowed'];

let user: string;
beforeAll(async () => {
  user = (await createUser(db().sql)).id;
});

function expectClear(refusal: Awaited<ReturnType<typeof refusalOf>>, codes: string[]): void {
  expect(refusal.sqlstate).toBe('PT400');
  expect(codes).toContain(refusal.code);
  expect(refusal.message).toMatch(/endpoint/);
  expect(refusal.hint).toMatch(/\S/);
}

describe('at insert', () => {
  test.each(CASES)('%s: %j', async (_group, endpoint) => {
    const { sql } = db();
    const row = createSubscription({ endpoint });
    expectClear(
      await refusalOf(asUser(sql, user, (t) => t`insert into public.push_subscriptions ${t(row)}`)),
      CODES,
    );
    const serviceRow = { ...row, user_id: user };
    expectClear(
      await refusalOf(asService(sql, (t) => t`insert into public.push_subscriptions ${t(serviceRow)}`)),
      CODES,
    );
  });
});

test('at update none of them gets in either', async () => {
  const { sql } = db();
  const owner = await createUser(sql);
  const row = createSubscription();
  await asUser(sql, owner.id, (t) => t`insert into public.push_subscriptions ${t(row)}`);
  for (const [, endpoint] of CASES) {
    const update = asUser(
      sql,
      owner.id,
      (t) => t`update public.push_subscriptions set endpoint = ${endpoint}`,
    );
    expectClear(await refusalOf(update), CODES);
  }
  const [stored] = await sql`select endpoint from public.push_subscriptions where user_id = ${owner.id}`;
  expect(stored?.endpoint).toBe(row.endpoint);
});

test('an endpoint that is missing', async () => {
  const { sql } = db();
  const insert = asUser(sql, user, (t) => t`insert into public.push_subscriptions ${t(createKeys())}`);
  expectClear(await refusalOf(insert), ['endpoint_malformed']);
});

test.each([2049, 10_000])('an endpoint of %i characters', async (length) => {
  const { sql } = db();
  const row = createSubscription({ endpoint: 'https://fcm.googleapis.com/'.padEnd(length, 'x') });
  const insert = asUser(sql, user, (t) => t`insert into public.push_subscriptions ${t(row)}`);
  expectClear(await refusalOf(insert), ['endpoint_malformed']);
});

test('none of them was stored', async () => {
  const rows = await db().sql`select endpoint from public.push_subscriptions where user_id = ${user}`;
  expect([...rows]).toEqual([]);
});
