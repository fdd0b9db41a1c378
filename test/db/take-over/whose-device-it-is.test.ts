import postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { findTakeOver, withTakeOver } from '../../../src/cli/init/take-over.ts';
import { asUser, createUser } from '../../support/postgres.ts';
import {
  createKeys,
  createSubscription,
  type SubscriptionInput,
  subscribe,
} from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => db().sql`delete from public.push_subscriptions`);

const COLUMNS = 'user_id uuid, endpoint text, p256dh text, auth text';

type Row = SubscriptionInput & { user_id: string } & Record<string, unknown>;

/** The devices that are there once these rows were taken over, and what Postgres said meanwhile. */
async function takeOver(times: string, rows: Row[]): Promise<{ devices: unknown[]; said: string[] }> {
  const columns = `${COLUMNS}${times === '' ? '' : `, ${times}`}`;
  const said: string[] = [];
  const sql = postgres(db().url, { max: 1, onnotice: ({ message }) => said.push(message ?? '') });
  const made = { file: '1.sql', sql: `create table public.user_push_subscriptions (${columns});` };
  try {
    await sql.unsafe(`${made.sql}
      insert into public.user_push_subscriptions
      select r.* from jsonb_populate_recordset(null::public.user_push_subscriptions, '${JSON.stringify(rows)}') as r`);
    await sql.unsafe(withTakeOver('', findTakeOver([made], 'user_push_subscriptions'))).simple();
    const devices = await sql`select user_id, endpoint from public.push_subscriptions`;
    return { devices: [...devices], said };
  } finally {
    await sql`drop table if exists public.user_push_subscriptions`;
    await sql.end();
  }
}

const day = (number: number) => `2026-01-${String(number).padStart(2, '0')}T12:00:00Z`;

test.each<[what: string, times: string, former: object, later: object]>([
  ['made later', 'created_at timestamptz', { created_at: day(1) }, { created_at: day(2) }],
  ['made later, in milliseconds', 'created_at bigint', { created_at: 1.7e12 }, { created_at: 1.8e12 }],
  [
    'made and changed later',
    '"createdAt" timestamptz, "updatedAt" timestamptz',
    { createdAt: day(1), updatedAt: day(3) },
    { createdAt: day(2), updatedAt: day(4) },
  ],
  [
    'made and used later, and not changed since',
    'created_at timestamptz, last_used_at timestamptz',
    { created_at: day(1), last_used_at: day(2) },
    { created_at: day(3) },
  ],
  [
    'changed later, which is all that is kept',
    'updated_at text',
    { updated_at: day(1) },
    { updated_at: day(2) },
  ],
])(
  'a shared device goes to the user whose row was %s, in whichever order they are stored',
  async (_, times, one, two) => {
    const [former, later] = [await createUser(db().sql), await createUser(db().sql)];
    const device = createSubscription();
    const rows = [
      { user_id: former.id, ...device, ...one },
      { user_id: later.id, ...device, ...two },
    ];
    for (const stored of [rows, rows.toReversed()]) {
      const { devices } = await takeOver(times, stored);
      expect(devices).toEqual([{ user_id: later.id, endpoint: device.endpoint }]);
      await db().sql`delete from public.push_subscriptions`;
    }
  },
);

test.each<[what: string, times: string, one: object, two: object]>([
  ['no time is kept', '', {}, {}],
  ['the times are equal', 'created_at timestamptz', { created_at: day(1) }, { created_at: day(1) }],
  ['one has no time', 'created_at timestamptz', { created_at: day(1) }, {}],
  [
    'the one that was made first was used last, as after a second sign-in',
    'created_at timestamptz, updated_at timestamptz',
    { created_at: day(1), updated_at: day(9) },
    { created_at: day(2), updated_at: day(2) },
  ],
  [
    'they differ in their keys',
    'created_at timestamptz',
    { created_at: day(1) },
    { created_at: day(2), ...createKeys() },
  ],
])('a shared device goes to neither user where %s', async (_, times, one, two) => {
  const [a, b] = [await createUser(db().sql), await createUser(db().sql)];
  const [device, other] = [createSubscription(), createSubscription()];
  const { devices, said } = await takeOver(times, [
    { user_id: a.id, ...device, ...one },
    { user_id: b.id, ...device, ...two },
    { user_id: a.id, ...other, ...one },
  ]);
  expect(devices).toEqual([{ user_id: a.id, endpoint: other.endpoint }]);
  expect(said).toContainEqual(
    expect.stringMatching(/^2 rows were not taken over, .*Several users have this device, .* \(2\)$/),
  );
});

test('several rows of one device of a user are one device, as the newest has it', async () => {
  const { id } = await createUser(db().sql);
  const device = createSubscription();
  const { devices, said } = await takeOver('created_at timestamptz', [
    { user_id: id, ...device, created_at: day(2) },
    { user_id: id, ...device, ...createKeys(), created_at: day(1) },
  ]);
  expect(devices).toHaveLength(1);
  expect(said.join()).toContain('took over 2 of 2 rows');
  const [row] = await db().sql`select p256dh from public.push_subscriptions`;
  expect(row?.p256dh).toBe(device.p256dh);
});

test.each<[what: string, times: string, time: (number: number) => object]>([
  ['were made last', 'created_at timestamptz', (number) => ({ created_at: day(number) })],
  [
    'were used last',
    'created_at timestamptz, last_used_at timestamptz',
    (number) => ({ created_at: day(1), last_used_at: day(number) }),
  ],
  ['are stored last, where no time is kept', '', () => ({})],
])('of a user with too many devices those stay that %s', async (_, times, time) => {
  const { sql } = db();
  const { id } = await createUser(sql);
  const [settings] = await sql<
    { most: number }[]
  >`select max_subscriptions_per_user as most from push.settings`;
  const most = settings?.most ?? 0;
  const rows = Array.from({ length: most + 3 }, (_, index) => ({
    user_id: id,
    ...createSubscription(),
    ...time(index + 1),
  }));
  const { devices, said } = await takeOver(times, rows);
  const kept = (devices as { endpoint: string }[]).map(({ endpoint }) => endpoint).sort();
  expect(kept).toEqual(
    rows
      .slice(3)
      .map(({ endpoint }) => endpoint)
      .sort(),
  );
  expect(said.join()).toContain(`This user already has ${most} devices. (3)`);
});

test('a device that registered here since stays with its user, and one that was removed stays away', async () => {
  const { sql } = db();
  const [former, present] = [await createUser(sql), await createUser(sql)];
  const [live, removed] = [createSubscription(), createSubscription()];
  await subscribe(sql, present.id, live);
  await subscribe(sql, former.id, removed);
  await asUser(
    sql,
    former.id,
    (t) => t`delete from public.push_subscriptions where endpoint = ${removed.endpoint}`,
  );
  const { devices, said } = await takeOver('', [
    { user_id: former.id, ...live },
    { user_id: former.id, ...removed },
  ]);
  expect(devices).toEqual([{ user_id: present.id, endpoint: live.endpoint }]);
  expect(said.join('\n')).toContain('This device was registered or removed here since, and stays so. (2)');
});
