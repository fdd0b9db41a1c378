import { expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { createKeys } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

// Shaped like what each browser's PushManager.subscribe() gives.
const ENDPOINTS = [
  [
    'Chrome',
    'https://fcm.googleapis.com/fcm/send/c3UYbBx0pQ4:APA91bHPRgkF3JUikC4ENAHEeMrd41Zxv3hVZjC9KtT8OvPVGJ-hQMRKRrZuJAEcl7B338qju59zJMjw2DELjzEvxwYv7hH5Ynpc1ODQ0aT4U4OFEeco8ohsN5PjL1iC2dNtk2BAokeMCg2ZXKqpc8FXKmhX94kIxQ',
    'https://fcm.googleapis.com',
  ],
  [
    'Chrome since 2024',
    'https://fcm.googleapis.com/wp/cGVybWFuZW50bHk:APA91bE-x_y-z',
    'https://fcm.googleapis.com',
  ],
  ['Chrome Canary', 'https://jmt17.google.com/fcm/send/eXaMpLe:APA91b', 'https://jmt17.google.com'],
  [
    'Samsung Internet',
    'https://android.googleapis.com/gcm/send/APA91bHun4MxP5egoKMwt2KZFBaFUH',
    'https://android.googleapis.com',
  ],
  [
    'Firefox',
    'https://updates.push.services.mozilla.com/wpush/v2/gAAAAABnN9xX_Ob5sZ-0i1CqD3mZ7Q2n0aFpW9e4uP0s8ghb3kzFS7=',
    'https://updates.push.services.mozilla.com',
  ],
  [
    'Edge',
    'https://wns2-by3p.notify.windows.com/w/?token=BQYAAAB%2bUD8Hc1bX%2fk0rPz2mHmKz%2f6D1Ug%3d%3d',
    'https://*.notify.windows.com',
  ],
  [
    'Edge in another region',
    'https://wns2-par02p.notify.windows.com/w/?token=BQYAAACC%2f',
    'https://*.notify.windows.com',
  ],
  [
    'Safari',
    'https://web.push.apple.com/QGuQyavXutnMH8lXMMcTVw-0DNu4hJmX3RBPGXkNzX4',
    'https://*.push.apple.com',
  ],
  ['Safari, deeper name', 'https://eu.web.push.apple.com/QOxN1jT0', 'https://*.push.apple.com'],
] as const;

test.each(ENDPOINTS)(
  '%s: its subscription is stored under the push service it belongs to',
  async (_browser, endpoint, host) => {
    const { sql } = db();
    const user = await createUser(sql);
    const row = { endpoint, ...createKeys() };
    const [stored] = await asUser(
      sql,
      user.id,
      (t) => t`
    insert into public.push_subscriptions ${t(row)} returning user_id, endpoint, p256dh, auth, channel, device_type, host`,
    );
    expect(stored).toEqual({ ...row, user_id: user.id, channel: 'webpush', device_type: 'unknown', host });
  },
);

test('an endpoint of 2048 characters is stored', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const endpoint = 'https://web.push.apple.com/'.padEnd(2048, 'x');
  const rows = await asUser(
    sql,
    user.id,
    (t) => t`
    insert into public.push_subscriptions ${t({ endpoint, ...createKeys() })} returning id`,
  );
  expect(rows).toHaveLength(1);
});

test.each(['desktop', 'mobile', 'tablet', 'unknown'])('device type %s is stored', async (device_type) => {
  const { sql } = db();
  const user = await createUser(sql);
  const [stored] = await asUser(
    sql,
    user.id,
    (t) => t`
    insert into public.push_subscriptions ${t({
      endpoint: `https://web.push.apple.com/${device_type}`,
      ...createKeys(),
      device_type,
      user_agent: 'Mozilla/5.0',
      vapid_key: createKeys().p256dh,
      expires_at: new Date('2030-01-01T00:00:00Z'),
    })} returning device_type`,
  );
  expect(stored?.device_type).toBe(device_type);
});
