import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { makeAlert } from '../../support/alerts.ts';
import type { queueOne } from '../../support/queue.ts';
import { createSubscription, subscribe } from '../../support/subscriptions.ts';
import { FAN_OUT_ROWS } from './fan-out-rows.ts';
import { QUEUE_ROWS } from './queue-rows.ts';
import { prepareStatistics, STATISTICS_ROWS } from './statistics-rows.ts';

export type Made = Awaited<ReturnType<typeof queueOne>>;

export interface RowOf {
  /** The column it is found by. */
  key: string;
  change: string;
  /** What is inserted. */
  row: (ownerId: string, made: Made) => Record<string, unknown>;
  /** What has to be there before the owner may have such a row. */
  before?: (sql: postgres.Sql, made: Made) => Promise<unknown>;
  /** The key of the owner's row, made if need be; without it, any row serves. */
  find?: (sql: postgres.Sql, made: Made) => Promise<string> | string;
}

/** What a row of each table is found by, changed in, and made from. */
export const ROWS: Record<string, RowOf> = {
  ...FAN_OUT_ROWS,
  ...QUEUE_ROWS,
  ...STATISTICS_ROWS,
  'public.push_subscriptions': {
    key: 'id',
    change: `device_type = 'mobile'`,
    row: (ownerId) => ({ ...createSubscription(), user_id: ownerId }),
    find: (_, made) => made.subscriptionId,
  },
  'public.push_notifications': {
    key: 'id',
    change: 'read_at = now()',
    row: (ownerId) => ({ user_id: ownerId, title: 'Hello' }),
    find: (_, made) => made.notificationId,
  },
  'public.push_topics': {
    key: 'key',
    change: `title = 'Another'`,
    row: () => ({ key: `t${randomUUID()}`, title: 'A topic' }),
    find: async (sql) => {
      const key = `t${randomUUID()}`;
      await sql`insert into public.push_topics (key, title) values (${key}, 'A topic')`;
      return key;
    },
  },
  'public.push_categories': {
    key: 'key',
    change: `title = 'Another'`,
    row: () => ({ key: `c${randomUUID()}`, title: 'A category' }),
    find: async (sql) => {
      const key = `c${randomUUID()}`;
      await sql`insert into public.push_categories (key, title) values (${key}, 'A category')`;
      return key;
    },
  },
  'public.push_topic_members': {
    key: 'user_id',
    change: 'created_at = now()',
    row: (ownerId) => ({ topic: 'other', user_id: ownerId }),
    find: async (sql, { userId }) => {
      await sql`insert into public.push_topic_members (topic, user_id) values ('news', ${userId})`;
      return userId;
    },
  },
  'public.push_reads': {
    key: 'user_id',
    change: 'read_at = now()',
    row: (ownerId) => ({ user_id: ownerId, notification_id: topicMessages[1] }),
    before: (sql, { userId }) =>
      sql`insert into public.push_topic_members (topic, user_id) values ('news', ${userId})`,
    find: async (sql, { userId }) => {
      await sql`insert into public.push_reads (user_id, notification_id) values (${userId}, ${topicMessages[0] ?? ''})`;
      return userId;
    },
  },
  'public.push_preferences': {
    key: 'user_id',
    change: 'enabled = false',
    row: (ownerId) => ({ user_id: ownerId }),
    find: async (sql, { userId }) => {
      await sql`insert into public.push_preferences (user_id) values (${userId})`;
      return userId;
    },
  },
  'public.push_device_preferences': {
    key: 'subscription_id',
    change: 'enabled = false',
    row: (ownerId, { subscriptionId }) => ({ subscription_id: subscriptionId, user_id: ownerId }),
    find: async (sql, { userId, subscriptionId }) => {
      await sql`
        insert into public.push_device_preferences (subscription_id, user_id) values (${subscriptionId}, ${userId})`;
      return subscriptionId;
    },
  },
  'public.push_templates': {
    key: 'key',
    change: `title = 'Another'`,
    row: () => ({ key: `t${randomUUID()}`, title: 'A template' }),
    find: async (sql) => {
      const key = `t${randomUUID()}`;
      await sql`insert into public.push_templates (key, title) values (${key}, 'A template')`;
      return key;
    },
  },
  'push.cleaning': { key: 'id', change: 'last_cron_run = 1', row: () => ({ id: true }) },
  'push.settings': { key: 'id', change: 'default_ttl = 1', row: () => ({ id: true }) },
  'push.alarms': {
    key: 'code',
    change: `message = ''`,
    row: () => ({ code: 'a', subject: '', message: '', raised_at: new Date(), last_seen_at: new Date() }),
  },
  'push.functions': {
    key: 'name',
    change: `version = ''`,
    row: () => ({ name: 'push-evil', version: '9.9.9', seen_at: new Date() }),
  },
  'push.hosts': { key: 'origin', change: 'pauses = 1', row: () => ({ origin: 'https://evil.example' }) },
  'push.dispatchers': {
    key: 'id',
    change: 'lease_until = now()',
    row: () => ({ id: randomUUID(), started_at: new Date(), lease_until: new Date() }),
  },
  'push.pauses': {
    key: 'id',
    change: `reason = 'Another'`,
    row: () => ({ reason: 'evil', paused_at: new Date() }),
  },
  'push.project': {
    key: 'id',
    change: `url = 'https://evil.example'`,
    row: () => ({ url: 'https://evil.example', connected_url: 'https://evil.example', noted_at: new Date() }),
  },
  'push.rules': {
    key: 'name',
    change: `title = ''`,
    row: () => ({
      name: 'evil',
      watched: 'public.deals',
      table_schema: 'public',
      table_name: 'deals',
      events: ['insert'],
      recipients: 'null',
      title: 'null',
      urgency: 'normal',
    }),
  },
  'push.rule_errors': {
    key: 'rule',
    change: `message = ''`,
    row: () => ({ rule: 'evil', event: 'insert', sqlstate: '00000', message: '' }),
  },
  'push.rule_status': { key: 'name', change: `state = ''`, row: () => ({ name: 'evil' }) },
  'push.digest_policies': {
    key: 'key',
    change: `title = 'Another'`,
    row: () => ({ key: 'evil', window_length: '1 hour' }),
  },
  'push.digests': {
    key: 'id',
    change: 'items = 1',
    row: (user_id) => ({ id: randomUUID(), user_id, digest_key: 'evil' }),
  },
  'push.digest_windows': {
    key: 'digest_id',
    change: 'open = false',
    row: (user_id) => ({ user_id, digest_key: 'evil' }),
  },
  'push.throttle_log': { key: 'user_id', change: `moments = '{}'`, row: (user_id) => ({ user_id }) },
  'push.daily_pushes': { key: 'user_id', change: 'pushes = 0', row: (user_id) => ({ user_id }) },
  'public.push_alerts': {
    key: 'id',
    change: `threshold = 2`,
    row: (ownerId) => ({ user_id: ownerId, symbol: 'DAX', condition: 'above', threshold: 1 }),
    find: (sql, { userId }) => makeAlert(sql, {}, userId),
  },
  'public.push_quotes': {
    key: 'symbol',
    change: 'value = value + 1',
    row: () => ({ symbol: `s${randomUUID()}`, value: 1 }),
    find: async (sql) => {
      const symbol = `s${randomUUID()}`;
      await sql`insert into public.push_quotes (symbol, value) values (${symbol}, 1)`;
      return symbol;
    },
  },
  'public.push_levels': {
    key: 'symbol',
    change: 'value = value + 1',
    row: () => ({ symbol: `s${randomUUID()}`, level: 'line', value: 1 }),
    find: async (sql) => {
      const symbol = `s${randomUUID()}`;
      await sql`insert into public.push_levels (symbol, level, value) values (${symbol}, 'line', 1)`;
      return symbol;
    },
  },
  'push.quote_history': {
    key: 'symbol',
    change: 'value = 0',
    row: () => ({ symbol: 'evil', quoted_at: new Date(), value: 1 }),
  },
  'push.sessions': {
    key: 'symbol',
    change: 'high = 0',
    row: () => ({ symbol: 'evil', session_date: '2040-01-01', high: 1, low: 1, close: 1, timezone: 'UTC' }),
  },
  'push.alert_counts': {
    key: 'user_id',
    change: 'told = 0',
    row: (user_id) => ({ user_id, minute: new Date(), symbol: 'DAX', by_tick: false }),
  },
  'push.quote_sources': { key: 'name', change: 'failures = 0', row: () => ({ name: 'evil' }) },
  'push.quote_source_symbols': { key: 'symbol', change: 'refused = true', row: () => ({ source: 'evil' }) },
  'push.reminders': { key: 'name', change: `title = ''`, row: () => ({ name: 'evil' }) },
  'push.reminder_moments': { key: 'id', change: `state = 'sent'`, row: () => ({ reminder: 'evil' }) },
  'push.receipts': {
    key: 'delivery_id',
    change: `action = ''`,
    row: () => ({ delivery_id: 1, event: 'clicked' }),
  },
  'push.receipt_counts': {
    key: 'notification_id',
    change: 'receipts = 0',
    row: () => ({ notification_id: randomUUID(), event: 'clicked', place: 1, receipts: 1 }),
  },
  'push.removed_devices': {
    key: 'user_id',
    change: `removed_at = now()`,
    row: (user_id) => ({ user_id, address_digest: Buffer.from(user_id) }),
  },
  'push.resubscriptions': {
    key: 'subscription_id',
    change: `moments = '{}'`,
    row: (_, { subscriptionId }) => ({ subscription_id: subscriptionId, moments: [] }),
  },
  'push.reminder_errors': { key: 'reminder', change: `message = ''`, row: () => ({ reminder: 'evil' }) },
};

let topicMessages: string[];

/** Makes one row at least in every table that `ROWS` does not make one in. */
export async function prepareRows(sql: postgres.Sql): Promise<void> {
  await sql`insert into push.alarms (code, subject, message, raised_at, last_seen_at) values ('a', '', '', now(), now())`;
  await sql`insert into push.start_resets default values`;
  await prepareStatistics(sql);
  await sql`insert into push.claim_starts (host, lane, due_from, read_whole_at) values ('https://fcm.googleapis.com', 0, now(), now())`;
  await sql`insert into push.dispatchers (id, started_at, lease_until) values (gen_random_uuid(), now(), now() + interval '1 day')`;
  await sql`select public.push_worker_heartbeat(gen_random_uuid(), 'a worker', '0.1.0')`;
  await sql`insert into public.push_topics (key, title) values ('news', 'News'), ('other', 'Other')`;
  const sent = await sql<
    { id: string }[]
  >`select push.notify_topic('news', 'Hello') as id from generate_series(1, 2)`;
  topicMessages = sent.map(({ id }) => id);
  await sql`insert into push.delivery_counts (notification_id, state, deliveries) select notification_id, 'sent', 1 from push.fan_outs`;
  await sql`with e as (insert into push.fan_outs (message, recipients) values ('{}', 1) returning id)
    insert into push.fan_out_recipients select e.id, gen_random_uuid() from e`;
  await sql`select push.define_quote_source('main', 'json', 'https://api.example.com/q?s={symbol}', 'last')`;
  await sql`insert into push.quote_source_symbols (source, symbol, given_at) values ('main', 'DAX', now())`;
  await sql`select push.record_quote('DAX', 1), push.record_session('DAX', '2040-01-02', 1, 3, 1, 2, 'UTC', '2040-01-03')`;
  await sql`create table public.deals (id integer primary key, owner uuid)`;
  await sql`select push.watch('deals_made', 'public.deals', 'new.owner', '''Deal''')`;
  await sql`insert into push.rule_errors (rule, event, sqlstate, message) values ('deals_made', 'insert', '00000', '')`;
  await sql`select push.remind('deal', 'public.deals', 'now()', '{1 hour,-1 hour}', 'new.owner', '''Deal''')`;
  await sql`insert into public.deals values (1)`;
  await sql`select push.define_digest('deals', '1 hour')`;
  const [user] = await sql<
    { id: string }[]
  >`insert into auth.users (id) values (gen_random_uuid()) returning id`;
  const id = user?.id as string;
  await sql`insert into public.push_notifications (user_id, title, digest_key) values (${id}, 'Hello', 'deals')`;
  await sql`insert into push.throttle_log (user_id, category, done_at) values (${id}, 'alerts', now())`;
  await sql`insert into push.alert_counts values (now(), ${id}, 'DAX', false, 1, 0, 1)`;
  await sql`insert into push.daily_pushes (user_id, day) values (${id}, now())`;
  await sql`
    insert into push.receipts (delivery_id, event, occurred_at, recorded_at) values (1, 'displayed', now(), now())`;
  await sql`
    insert into push.receipt_counts (notification_id, event, place, receipts)
    select notification_id, 'displayed', 1, 1 from push.fan_outs where notification_id is not null`;
  await sql`
    insert into push.resubscriptions (subscription_id, moments) values (${await subscribe(sql, id)}, array[now()])`;
  await sql`insert into push.removed_devices (address_digest, user_id) values ('\\x00', ${id})`;
  await sql`insert into push.reminder_errors (reminder, sqlstate, message) values ('deal', '00000', '')`;
  // One that is over, so that it holds nothing up.
  await sql`
    insert into push.pauses (reason, paused_at, resumed_at, cleared_at) values ('wrong prices', now(), now(), now())`;
  await sql`insert into push.functions (name, version, seen_at) values ('push-dispatch', push.version(), now())`;
  await sql`
    insert into push.project (url, connected_url, noted_at) values ('https://a.example', 'https://a.example', now())`;
}
