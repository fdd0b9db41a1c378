import { describe, expect, test } from 'vitest';
import {
  readBellEnvironment,
  readEnvironment,
  readSecretKey,
} from '../../../src/server/functions/environment.ts';
import { SupapushError } from '../../../src/shared/errors.ts';

const GOOD = {
  SUPABASE_URL: 'https://abcdefghijklmnopqrst.supabase.co',
  SUPABASE_SECRET_KEYS: JSON.stringify({ default: 'sb_secret_one', other: 'sb_secret_two' }),
  VAPID_PUBLIC_KEY: 'the-public-key',
  VAPID_PRIVATE_KEY: 'the-private-key',
  VAPID_SUBJECT: 'mailto:push@example.com',
  PUSH_BELL_SECRET: 'a-bell-secret-of-more-than-32-characters',
};

function refusal(environment: Record<string, string | undefined>): string {
  try {
    readEnvironment(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(SupapushError);
    expect(error).toMatchObject({ code: 'not_configured', status: 503 });
    expect((error as Error).cause).toBeUndefined();
    return (error as Error).message;
  }
  return expect.fail('the environment was accepted');
}

describe('an environment is read', () => {
  test('when it has what is needed', () => {
    expect(readEnvironment(GOOD)).toEqual({
      supabaseUrl: GOOD.SUPABASE_URL,
      secretKey: 'sb_secret_one',
      vapid: [
        {
          publicKey: GOOD.VAPID_PUBLIC_KEY,
          privateKey: GOOD.VAPID_PRIVATE_KEY,
          subject: GOOD.VAPID_SUBJECT,
        },
      ],
      bellSecret: GOOD.PUSH_BELL_SECRET,
      fcmServiceAccount: undefined,
      padding: 0,
      deliveryBudget: undefined,
    });
  });

  test('when only the older key is there', () => {
    const environment = {
      ...GOOD,
      SUPABASE_SECRET_KEYS: undefined,
      SUPABASE_SERVICE_ROLE_KEY: 'eyJ.old.key',
    };
    expect(readEnvironment(environment).secretKey).toBe('eyJ.old.key');
  });

  test.each(['{}', '{"other":"sb_secret_two"}', '', ' '])(
    'with the older key where %j has no newer one',
    (newer) => {
      const environment = {
        ...GOOD,
        SUPABASE_SECRET_KEYS: newer,
        SUPABASE_SERVICE_ROLE_KEY: 'eyJ.old.key',
      };
      expect(readEnvironment(environment).secretKey).toBe('eyJ.old.key');
      expect(readSecretKey(environment)).toBe('eyJ.old.key');
    },
  );

  test('with the newer key where both are there', () => {
    expect(readEnvironment({ ...GOOD, SUPABASE_SERVICE_ROLE_KEY: 'eyJ.old.key' }).secretKey).toBe(
      'sb_secret_one',
    );
  });

  test('with a budget where one is given', () => {
    expect(readEnvironment({ ...GOOD, PUSH_DELIVERY_BUDGET: '100' }).deliveryBudget).toBe(100);
  });

  test.each([
    ['512', 512],
    ['3993', 3993],
    ['0', 0],
    ['', 0],
  ])('with padding of %j as %i', (given, padding) => {
    expect(readEnvironment({ ...GOOD, PUSH_PADDING: given }).padding).toBe(padding);
  });

  test('with older key pairs behind the newest, all with the same contact', () => {
    const older = [
      { publicKey: 'second', privateKey: 'its-other-half' },
      { publicKey: 'first', privateKey: 'its-other-half-too' },
    ];
    const { vapid } = readEnvironment({ ...GOOD, VAPID_PREVIOUS_KEYS: JSON.stringify(older) });
    expect(vapid.map(({ publicKey }) => publicKey)).toEqual(['the-public-key', 'second', 'first']);
    expect(new Set(vapid.map(({ subject }) => subject))).toEqual(new Set([GOOD.VAPID_SUBJECT]));
  });

  test.each(['', ' ', '[]'])('without older key pairs where there are none (%j)', (older) => {
    expect(readEnvironment({ ...GOOD, VAPID_PREVIOUS_KEYS: older }).vapid).toHaveLength(1);
  });

  test.each(['', ' ', '\n'])('without an account for FCM where its line was left empty (%j)', (account) => {
    expect(readEnvironment({ ...GOOD, FCM_SERVICE_ACCOUNT: account }).fcmServiceAccount).toBeUndefined();
  });

  test.each(['http://127.0.0.1:54321', 'http://kong:8000', 'https://example.com/'])('at %s', (url) => {
    expect(readEnvironment({ ...GOOD, SUPABASE_URL: url }).supabaseUrl).toBe(url);
  });
});

describe('an environment is refused, by the name of the variable and never by its value', () => {
  test.each([
    'SUPABASE_URL',
    'SUPABASE_SECRET_KEYS',
    'VAPID_PUBLIC_KEY',
    'VAPID_PRIVATE_KEY',
    'VAPID_SUBJECT',
    'PUSH_BELL_SECRET',
  ])('without %s', (name) => {
    const message = refusal({ ...GOOD, [name]: undefined });
    expect(message).toContain(`${name} is missing`);
    for (const other of Object.keys(GOOD)) if (other !== name) expect(message).not.toContain(other);
  });

  test('without anything: everything is named at once', () => {
    const message = refusal({});
    for (const name of Object.keys(GOOD)) {
      if (name !== 'SUPABASE_SECRET_KEYS') expect(message).toContain(`${name} is missing`);
    }
  });

  test.each([
    ['SUPABASE_URL', 'v4lue-without-scheme'],
    ['SUPABASE_URL', 'ftp://v4lue.example.com'],
    ['SUPABASE_URL', 'javascript:v4lue'],
    ['SUPABASE_URL', ''],
    ['SUPABASE_SECRET_KEYS', 'sb_secret_v4lue'],
    ['SUPABASE_SECRET_KEYS', '{"default":"sb_secret_v4lue"'],
    ['SUPABASE_SECRET_KEYS', '{}'],
    ['SUPABASE_SECRET_KEYS', '{"other":"sb_secret_v4lue"}'],
    ['SUPABASE_SECRET_KEYS', '{"default":"","other":"sb_secret_v4lue"}'],
    ['SUPABASE_SECRET_KEYS', '{"default":"sb_secret_v4lue\\n"}'],
    ['SUPABASE_SECRET_KEYS', '{"default":["sb_secret_v4lue"]}'],
    ['SUPABASE_SECRET_KEYS', '["sb_secret_v4lue"]'],
    ['SUPABASE_SECRET_KEYS', 'null'],
    ['SUPABASE_SECRET_KEYS', ''],
    ['SUPABASE_SERVICE_ROLE_KEY', 'eyJ v4lue'],
    ['VAPID_PUBLIC_KEY', ''],
    ['VAPID_PRIVATE_KEY', ''],
    ['VAPID_PREVIOUS_KEYS', 'v4lue'],
    ['VAPID_PREVIOUS_KEYS', '{"publicKey":"v4lue","privateKey":"v4lue"}'],
    ['VAPID_PREVIOUS_KEYS', '[{"publicKey":"v4lue"}]'],
    ['VAPID_PREVIOUS_KEYS', '["v4lue"]'],
    ['VAPID_SUBJECT', 'v4lue@example.com'],
    ['VAPID_SUBJECT', 'mailto:v4lue@localhost'],
    ['VAPID_SUBJECT', 'https://localhost/v4lue'],
    ['VAPID_SUBJECT', 'mailto:v4lue@mac.local'],
    ['VAPID_SUBJECT', 'mailto:mailto:v4lue@example.com'],
    ['VAPID_SUBJECT', 'https://127.0.0.1/v4lue'],
    ['VAPID_SUBJECT', 'http://v4lue.example.com'],
    ['VAPID_SUBJECT', ''],
    ['PUSH_BELL_SECRET', 'v4lue-of-31-characters-exactly-'],
    ['PUSH_BELL_SECRET', 'v4lue with spaces that is long enough otherwise'],
    ['PUSH_BELL_SECRET', 'v4lue-with-a-line-break-at-its-very-end-0123456789\n'],
    ['PUSH_BELL_SECRET', 'v4lue-größer-als-zweiunddreißig-Zeichen-lang'],
    ['PUSH_BELL_SECRET', ''],
    ['PUSH_PADDING', 'v4lue'],
    ['PUSH_PADDING', '-1'],
    ['PUSH_PADDING', '1.5'],
    ['PUSH_PADDING', '3994'],
    ['PUSH_PADDING', '1e999'],
    ['PUSH_DELIVERY_BUDGET', 'v4lue'],
    ['PUSH_DELIVERY_BUDGET', '0'],
    ['PUSH_DELIVERY_BUDGET', '-1'],
    ['PUSH_DELIVERY_BUDGET', '1.5'],
    ['PUSH_DELIVERY_BUDGET', '1e999'],
  ])('%s = %j', (name, value) => {
    const message = refusal({ ...GOOD, [name]: value });
    expect(message).toContain(name);
    expect(message).not.toContain('v4lue');
    for (const good of Object.values(GOOD)) expect(message).not.toContain(good);
  });
});

test('a function that sends nothing needs no VAPID keys, and names what else is missing', () => {
  const { SUPABASE_URL, SUPABASE_SECRET_KEYS, PUSH_BELL_SECRET } = GOOD;
  expect(readBellEnvironment({ SUPABASE_URL, SUPABASE_SECRET_KEYS, PUSH_BELL_SECRET })).toEqual({
    supabaseUrl: SUPABASE_URL,
    secretKey: 'sb_secret_one',
    bellSecret: PUSH_BELL_SECRET,
  });
  expect(() => readBellEnvironment({ SUPABASE_URL })).toThrow(/PUSH_BELL_SECRET is missing/);
});
