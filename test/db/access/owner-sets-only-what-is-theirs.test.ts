import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { queueOne } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

const SUBSCRIPTION_COLUMNS = [
  'auth',
  'channel',
  'device_name',
  'device_type',
  'endpoint',
  'expires_at',
  'fcm_token',
  'p256dh',
  'user_agent',
  'user_id',
  'vapid_key',
];

async function columnsGranted(table: string, privilege: string, role: string): Promise<string[]> {
  const rows = await db().sql<{ name: string }[]>`
    select a.attname as name from pg_attribute a
    where a.attrelid = ${table}::regclass and a.attnum > 0 and not a.attisdropped
      and has_column_privilege(${role}, a.attrelid, a.attnum, ${privilege})
    order by 1`;
  return rows.map(({ name }) => name);
}

test('a user may write eleven columns of a subscription', async () => {
  expect(await columnsGranted('public.push_subscriptions', 'insert', 'authenticated')).toEqual(
    SUBSCRIPTION_COLUMNS,
  );
  expect(await columnsGranted('public.push_subscriptions', 'update', 'authenticated')).toEqual(
    SUBSCRIPTION_COLUMNS,
  );
});

test('a user may write when a notification was read, and nothing else of it', async () => {
  expect(await columnsGranted('public.push_notifications', 'insert', 'authenticated')).toEqual([]);
  expect(await columnsGranted('public.push_notifications', 'update', 'authenticated')).toEqual(['read_at']);
});

test('a user may say which topic to join, and until when it was read', async () => {
  const table = 'public.push_topic_members';
  expect(await columnsGranted(table, 'insert', 'authenticated')).toEqual(['topic', 'user_id']);
  expect(await columnsGranted(table, 'update', 'authenticated')).toEqual(['read_until']);
  for (const privilege of ['insert', 'update'])
    expect(await columnsGranted('public.push_topics', privilege, 'authenticated')).toEqual([]);
});

test('a user may write which message was read, and change when', async () => {
  const table = 'public.push_reads';
  expect(await columnsGranted(table, 'insert', 'authenticated')).toEqual([
    'notification_id',
    'read_at',
    'user_id',
  ]);
  expect(await columnsGranted(table, 'update', 'authenticated')).toEqual(['read_at']);
});

const PREFERENCE_COLUMNS = ['muted_categories', 'quiet_by_weekday', 'quiet_from', 'quiet_until', 'timezone'];

test('a user may write all of what can be preferred, and whose it is', async () => {
  for (const [table, columns] of [
    ['public.push_preferences', ['enabled', 'locale', 'receipts', 'user_id']],
    ['public.push_device_preferences', ['enabled', 'subscription_id', 'user_id']],
  ] as const) {
    for (const privilege of ['insert', 'update'])
      expect(await columnsGranted(table, privilege, 'authenticated')).toEqual(
        [...PREFERENCE_COLUMNS, ...columns].sort(),
      );
  }
});

test('the service may write the texts of a template, not what was read of them; users neither', async () => {
  const table = 'public.push_templates';
  for (const privilege of ['insert', 'update']) {
    expect(await columnsGranted(table, privilege, 'authenticated')).toEqual([]);
    expect(await columnsGranted(table, privilege, 'service_role')).toEqual([
      'body',
      'category',
      'key',
      'locale',
      'presentation',
      'sample',
      'tag',
      'title',
      'ttl',
      'urgency',
      'url',
    ]);
  }
});

const ALERT_COLUMNS = [
  'active_from',
  'active_until',
  'body',
  'condition',
  'cooldown',
  'direction',
  'enabled',
  'expires_at',
  'hysteresis',
  'hysteresis_unit',
  'level',
  'level_condition',
  'recurring',
  'setup',
  'symbol',
  'threshold',
  'timezone',
  'title',
  'urgency',
  'window_minutes',
];

test('the owner of an alert sets what it waits for, and no role sets its state', async () => {
  for (const role of ['authenticated', 'service_role']) {
    expect(await columnsGranted('public.push_alerts', 'update', role)).toEqual(ALERT_COLUMNS);
    expect(await columnsGranted('public.push_alerts', 'insert', role)).toEqual(
      [...ALERT_COLUMNS, 'user_id'].sort(),
    );
  }
});

test('quotes and levels are not for users to write', async () => {
  for (const table of ['public.push_quotes', 'public.push_levels'])
    for (const privilege of ['insert', 'update'])
      expect(await columnsGranted(table, privilege, 'authenticated')).toEqual([]);
});

test.each([
  'public.push_alerts',
  'public.push_quotes',
  'public.push_levels',
  'public.push_subscriptions',
  'public.push_preferences',
  'public.push_device_preferences',
  'public.push_notifications',
  'public.push_topics',
  'public.push_topic_members',
  'public.push_reads',
  'public.push_templates',
])('anon may read no column of %s', async (table) => {
  for (const privilege of ['select', 'insert', 'update', 'references']) {
    expect(await columnsGranted(table, privilege, 'anon')).toEqual([]);
  }
});

const SET_BY_DATABASE = {
  id: randomUUID(),
  host: 'https://web.push.apple.com',
  created_at: new Date(0),
  updated_at: new Date(0),
  last_used_at: new Date(0),
};

describe.each(Object.entries(SET_BY_DATABASE))('%s of a subscription', (column, value) => {
  test('cannot be given at insert', async () => {
    const { sql } = db();
    const user = await createUser(sql);
    const insert = asUser(
      sql,
      user.id,
      (t) => t`
      insert into public.push_subscriptions ${t({ ...createSubscription(), [column]: value })}`,
    );
    expect((await refusalOf(insert)).sqlstate).toBe('42501');
  });

  test('cannot be changed', async () => {
    const { sql } = db();
    const { userId } = await queueOne(sql);
    const update = asUser(
      sql,
      userId,
      (t) => t`update public.push_subscriptions set ${t({ [column]: value })}`,
    );
    expect((await refusalOf(update)).sqlstate).toBe('42501');
  });
});

test('a subscription cannot be inserted for another user', async () => {
  const { sql } = db();
  const [user, other] = [await createUser(sql), await createUser(sql)];
  const insert = asUser(
    sql,
    user.id,
    (t) => t`
    insert into public.push_subscriptions ${t({ ...createSubscription(), user_id: other.id })}`,
  );
  expect((await refusalOf(insert)).sqlstate).toBe('42501');
});

test('a subscription cannot be inserted without a user', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const insert = asUser(
    sql,
    user.id,
    (t) => t`
    insert into public.push_subscriptions ${t({ ...createSubscription(), user_id: null })}`,
  );
  expect((await refusalOf(insert)).sqlstate).toBe('42501');
});

test('a subscription cannot be given to another user', async () => {
  const { sql } = db();
  const { userId } = await queueOne(sql);
  const other = await createUser(sql);
  const update = asUser(sql, userId, (t) => t`update public.push_subscriptions set user_id = ${other.id}`);
  expect((await refusalOf(update)).sqlstate).toBe('42501');
});

test('the policies refuse both by themselves, were the trigger not there', async () => {
  const { sql } = db();
  const { userId } = await queueOne(sql);
  const other = await createUser(sql);
  await sql`alter table public.push_subscriptions disable trigger push_subscriptions_check`;
  try {
    const insert = asUser(
      sql,
      userId,
      (t) => t`insert into public.push_subscriptions ${t({ ...createSubscription(), user_id: other.id })}`,
    );
    expect((await refusalOf(insert)).sqlstate).toBe('42501');
    const update = asUser(sql, userId, (t) => t`update public.push_subscriptions set user_id = ${other.id}`);
    expect((await refusalOf(update)).sqlstate).toBe('42501');
  } finally {
    await sql`alter table public.push_subscriptions enable trigger push_subscriptions_check`;
  }
});

test('a change for another user is refused before anything is said about their devices', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const { userId: full } = await queueOne(sql);
  await sql`update push.settings set max_subscriptions_per_user = 1`;
  const insert = asUser(
    sql,
    user.id,
    (t) => t`
    insert into public.push_subscriptions ${t({ ...createSubscription(), user_id: full })}`,
  );
  expect((await refusalOf(insert)).sqlstate).toBe('42501');
});

test('a notification could not be given to another user even with the right to that column', async () => {
  const { sql } = db();
  const { userId } = await queueOne(sql);
  const other = await createUser(sql);
  await sql`grant update (user_id) on public.push_notifications to authenticated`;
  try {
    const update = asUser(sql, userId, (t) => t`update public.push_notifications set user_id = ${other.id}`);
    expect((await refusalOf(update)).sqlstate).toBe('42501');
  } finally {
    await sql`revoke update (user_id) on public.push_notifications from authenticated`;
  }
});

test('the owner marks a notification as read and as unread', async () => {
  const { sql } = db();
  const { userId, notificationId } = await queueOne(sql);
  for (const readAt of [new Date(1_700_000_000_000), null]) {
    await asUser(
      sql,
      userId,
      (t) => t`
      update public.push_notifications set read_at = ${readAt} where id = ${notificationId}`,
    );
    const [row] = await sql`select read_at from public.push_notifications where id = ${notificationId}`;
    expect(row?.read_at).toEqual(readAt);
  }
});
