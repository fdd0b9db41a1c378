import { expect, test } from 'vitest';
import { isAllowedEndpoint } from '../../../src/server/channels/webpush/endpoint.ts';
import { asUser, createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

test('an origin on loopback is called only once it is listed, and then that port alone', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const insert = (endpoint: string) =>
    asUser(
      sql,
      user.id,
      (t) => t`insert into public.push_subscriptions ${t(createSubscription({ endpoint }))}`,
    );

  expect((await refusalOf(insert('http://127.0.0.1:4711/push/1'))).code).toBe('endpoint_not_allowed');
  await sql`insert into push.hosts (origin) values ('http://127.0.0.1:4711')`;
  await insert('http://127.0.0.1:4711/push/1');
  for (const endpoint of [
    'http://127.0.0.1:4712/push/1',
    'http://127.0.0.1/push/1',
    'http://127.0.0.1:04711/push/1',
    'http://127.0.0.1:47111/push/1',
    'https://127.0.0.1:4711/push/1',
    'http://127.0.0.1:4711@evil.tld/push/1',
    'http://user@127.0.0.1:4711/push/1',
    'http://localhost:4711/push/1',
    'http://0x7f.0.0.1:4711/push/1',
    'http://127.1:4711/push/1',
    'http://127.0.0.1:4711.evil.tld/push/1',
  ]) {
    expect((await refusalOf(insert(endpoint))).code).toBe('endpoint_not_allowed');
  }
});

test.each([
  'http://push.example.com',
  'http://localhost:4711',
  'http://127.0.0.1',
  'http://127.0.0.2:80',
  'http://10.0.0.1:80',
  'http://127.0.0.1:4711/',
  'http://*.example.com',
  'https://10.0.0.1',
  'https://127.0.0.1',
  'https://[::1]',
  'https://localhost',
  'https://push.example.com:443',
  'https://push.example.com:0',
  'https://push.example.com:0443',
  'https://push.example.com:65536',
  'https://push.example.com:99999',
  'https://*.example.com:8443',
  'http://127.0.0.1:65536',
  'https://a..b',
  'https://push..example.com',
  'https://.example.com',
  'https://пуш.example',
  'https://push.example.xn--',
  'https://push.example.x1',
  'https://*.co.uk',
  'https://*.com.au',
  'https://*.gov.br',
  'https://*.github.io',
  'https://*.vercel.app',
  'https://push.example.com/',
  'https://user@push.example.com',
  'https://Push.example.com',
  'https://push.example.com.',
  'https://*',
  'https://*.com',
  'https://a.*.example.com',
  'https://*.*.example.com',
  'https://*example.com',
  'push.example.com',
  '',
])('not even the database owner can list %j', async (origin) => {
  const { sql } = db();
  expect((await refusalOf(sql`insert into push.hosts (origin) values (${origin})`)).sqlstate).toBe('23514');
});

test('a host taken off the list accepts no further subscription', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await sql`delete from push.hosts where origin = 'https://jmt17.google.com'`;
  const row = createSubscription({ endpoint: 'https://jmt17.google.com/fcm/send/x' });
  const insert = asUser(sql, user.id, (t) => t`insert into public.push_subscriptions ${t(row)}`);
  expect((await refusalOf(insert)).code).toBe('endpoint_not_allowed');
});

test.each([
  ['with a port', 'https://push.example.com:8443', 'https://push.example.com:8443/x'],
  ['with the highest port', 'https://push.example.com:65535', 'https://push.example.com:65535/x'],
  ['with an international name', 'https://xn--90ato.example', 'https://xn--90ato.example/x'],
  ['below an international domain', 'https://push.xn--p1ai', 'https://push.xn--p1ai/x'],
  ['of one organisation', 'https://*.push.xn--p1ai', 'https://a.push.xn--p1ai/x'],
  ['below a name that looks like one of a country', 'https://*.example.co.uk', 'https://a.example.co.uk/x'],
])('a push service %s may be listed, and is called there alone', async (_what, origin, endpoint) => {
  const { sql } = db();
  const user = await createUser(sql);
  const insert = (url: string) =>
    asUser(
      sql,
      user.id,
      (t) => t`insert into public.push_subscriptions ${t(createSubscription({ endpoint: url }))}`,
    );
  await sql`insert into push.hosts (origin) values (${origin})`;
  await insert(endpoint);
  expect(isAllowedEndpoint(endpoint, origin)).toBe(true);
  const elsewhere =
    endpoint.includes(':8443') || endpoint.includes(':65535')
      ? endpoint.replace(/:\d+\//, '/')
      : endpoint.replace('/x', ':8443/x');
  expect((await refusalOf(insert(elsewhere))).code).toBe('endpoint_not_allowed');
  expect(isAllowedEndpoint(elsewhere, origin)).toBe(false);
});
