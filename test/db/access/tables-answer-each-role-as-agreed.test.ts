import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { beforeAll, describe, expect, test } from 'vitest';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { queueOne } from '../../support/queue.ts';
import { createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

const ROLES = ['anon', 'other user', 'owner', 'service_role'] as const;
const OPERATIONS = ['select', 'insert', 'update', 'delete'] as const;
type Role = (typeof ROLES)[number];
type Operation = (typeof OPERATIONS)[number];

/** Rows that the statement sees, makes or changes; or the SQLSTATE it is refused with. */
type Answer = 1 | 0 | '42501';
type Answers = Record<Role, Record<Operation, Answer>>;

const REFUSED = '42501';
const all = (answer: Answer) => ({ select: answer, insert: answer, update: answer, delete: answer });
const NOBODY: Answers = {
  anon: all(REFUSED),
  'other user': all(REFUSED),
  owner: all(REFUSED),
  service_role: all(REFUSED),
};

const MATRIX: Record<string, Answers> = {
  'public.push_subscriptions': {
    anon: all(REFUSED),
    'other user': { select: 0, insert: REFUSED, update: 0, delete: 0 },
    owner: all(1),
    service_role: all(1),
  },
  'public.push_notifications': {
    anon: all(REFUSED),
    'other user': { select: 0, insert: REFUSED, update: 0, delete: REFUSED },
    owner: { select: 1, insert: REFUSED, update: 1, delete: REFUSED },
    service_role: all(1),
  },
  'public.push_topics': {
    anon: all(REFUSED),
    // Whoever signs in may see and join each of them.
    'other user': { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    owner: { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    service_role: all(1),
  },
  'public.push_categories': {
    anon: all(REFUSED),
    'other user': { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    owner: { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    service_role: all(1),
  },
  'public.push_topic_members': {
    anon: all(REFUSED),
    'other user': { select: 0, insert: REFUSED, update: REFUSED, delete: 0 },
    owner: { select: 1, insert: 1, update: REFUSED, delete: 1 },
    service_role: { select: 1, insert: 1, update: REFUSED, delete: 1 },
  },
  'push.settings': NOBODY,
  'push.digest_policies': NOBODY,
  'push.digests': NOBODY,
  'push.throttle_log': NOBODY,
  'push.daily_pushes': NOBODY,
  'push.cleaning': NOBODY,
  'push.expansions': NOBODY,
  'push.delivery_counts': NOBODY,
  'push.alarms': NOBODY,
  'push.hosts': NOBODY,
  'push.deliveries': NOBODY,
  'push.dispatchers': NOBODY,
  'push.rules': NOBODY,
  'push.rule_errors': NOBODY,
};

interface RowOf {
  /** The column it is found by. */
  key: string;
  change: string;
  /** What is inserted. */
  row: (ownerId: string) => Record<string, unknown>;
  /** The key of the owner's row, made if need be; without it, any row serves. */
  find?: (sql: postgres.Sql, made: Awaited<ReturnType<typeof queueOne>>) => Promise<string> | string;
}

/** What a row of each table is found by, changed in, and made from. */
const ROWS: Record<string, RowOf> = {
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
  'push.cleaning': { key: 'id', change: 'last_cron_run = 1', row: () => ({ id: true }) },
  'push.expansions': {
    key: 'notification_id',
    change: 'members = 0',
    row: () => ({ notification_id: randomUUID() }),
  },
  'push.delivery_counts': {
    key: 'id',
    change: 'deliveries = 0',
    row: () => ({ notification_id: randomUUID(), state: 'sent', deliveries: 1 }),
  },
  'push.digest_policies': {
    key: 'key',
    change: `title = ''`,
    row: () => ({ key: 'd', window_length: '1 hour' }),
  },
  'push.digests': {
    key: 'id',
    change: 'open = false',
    row: (user_id) => ({
      user_id,
      digest_key: 'd',
      policy: 'd',
      opened_at: new Date(),
      closes_at: new Date(),
    }),
  },
  'push.throttle_log': {
    key: 'user_id',
    change: `moments = '{}'`,
    row: (ownerId) => ({ user_id: ownerId, category: 'alerts', done_at: new Date() }),
  },
  'push.daily_pushes': {
    key: 'user_id',
    change: 'pushes = 0',
    row: (user_id) => ({ user_id, day: '2026-01-01' }),
  },
  'push.settings': { key: 'id', change: 'default_ttl = 1', row: () => ({ id: true }) },
  'push.alarms': {
    key: 'code',
    change: `message = ''`,
    row: () => ({ code: 'a', subject: '', message: '', raised_at: new Date(), last_seen_at: new Date() }),
  },
  'push.hosts': { key: 'origin', change: 'pauses = 1', row: () => ({ origin: 'https://evil.example' }) },
  'push.deliveries': {
    key: 'id',
    change: `state = 'cancelled'`,
    row: () => ({
      notification_id: randomUUID(),
      subscription_id: randomUUID(),
      host: 'https://fcm.googleapis.com',
      due_at: new Date(),
      expires_at: new Date(),
    }),
    find: (_, made) => made.deliveryId,
  },
  'push.dispatchers': {
    key: 'id',
    change: 'lease_until = now()',
    row: () => ({ id: randomUUID(), started_at: new Date(), lease_until: new Date() }),
  },
  'push.rules': {
    key: 'name',
    change: `title = ''`,
    row: () => ({
      name: 'evil',
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
};

// One row in every table; those of public belong to the owner.
let owner: string;
let other: string;

beforeAll(async () => {
  const { sql } = db();
  other = (await createUser(sql)).id;
  await sql`insert into push.alarms (code, subject, message, raised_at, last_seen_at) values ('a', '', '', now(), now())`;
  await sql`insert into push.dispatchers (id, started_at, lease_until) values (gen_random_uuid(), now(), now() + interval '1 day')`;
  await sql`insert into public.push_topics (key, title) values ('news', 'News'), ('other', 'Other')`;
  await sql`select push.notify_topic('news', 'Hello')`;
  await sql`insert into push.delivery_counts (notification_id, state, deliveries) select notification_id, 'sent', 1 from push.expansions`;
  await sql`select push.define_digest('deals', '1 hour')`;
  await sql`insert into push.digests (user_id, digest_key, policy, opened_at, closes_at) values (${other}, 'd', 'd', now(), now())`;
  await sql`insert into push.throttle_log (user_id, category, done_at) values (${other}, 'alerts', now())`;
  await sql`insert into push.daily_pushes (user_id, day) values (${other}, now())`;
  await sql`create table public.deals (id integer primary key, owner uuid)`;
  await sql`select push.watch('deals_made', 'public.deals', 'new.owner', '''Deal''')`;
  await sql`insert into push.rule_errors (rule, event, sqlstate, message) values ('deals_made', 'insert', '00000', '')`;
});

async function answerOf(table: string, role: Role, operation: Operation): Promise<Answer> {
  const { sql } = db();
  const { key, change, row, find } = ROWS[table] as RowOf;
  // A fresh owner for every cell: a delete must not empty the next one's table.
  const made = await queueOne(sql);
  owner = made.userId;
  const id = find
    ? await find(sql, made)
    : (await sql.unsafe(`select ${key} as id from ${table} limit 1`))[0]?.id;

  const values = row(owner);
  const columns = Object.keys(values);
  const statements: Record<Operation, [string, unknown[]]> = {
    // Unfiltered: what another owner has must not show either.
    select: [`select * from ${table}`, []],
    insert: [
      `insert into ${table} (${columns}) values (${columns.map((_, index) => `$${index + 1}`)})`,
      Object.values(values),
    ],
    update: [`update ${table} set ${change} where ${key} = $1`, [id]],
    delete: [`delete from ${table} where ${key} = $1`, [id]],
  };
  const [text, parameters] = statements[operation];
  const run = async (t: { unsafe: typeof sql.unsafe }) => await t.unsafe(text, parameters as never[]);
  try {
    const result = await (role === 'anon'
      ? asAnon(sql, run)
      : role === 'service_role'
        ? asService(sql, run)
        : asUser(sql, role === 'owner' ? owner : other, run));
    if (operation !== 'select') return result.count as Answer;
    const owned = result.columns.some(({ name }) => name === 'user_id');
    if (role !== 'service_role' && owned) expect(result.every((seen) => seen.user_id === owner)).toBe(true);
    return result.filter((seen) => seen[key] === id).length as Answer;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code as Answer;
  }
}

describe.each(Object.keys(MATRIX))('%s', (table) => {
  const cells = ROLES.flatMap((role) =>
    OPERATIONS.map((operation) => [role, operation, MATRIX[table]?.[role][operation] as Answer] as const),
  );
  test.each(cells)('%s, %s: %s', async (role, operation, expected) => {
    expect(await answerOf(table, role, operation)).toBe(expected);
  });
});

test('no table, view or sequence exists beside those listed here', async () => {
  const { sql } = db();
  const relations = await sql<{ name: string; rls: boolean }[]>`
    select n.nspname || '.' || c.relname as name, c.relrowsecurity as rls
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'push') and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and c.oid <> 'public.deals'::regclass
    order by 1`;
  expect(relations.map(({ name }) => name)).toEqual(Object.keys(MATRIX).sort());
  expect(relations.filter(({ rls }) => !rls)).toEqual([]);
});

test.each(['anon', 'authenticated', 'service_role'])(
  '%s may truncate, reference or trigger nothing',
  async (role) => {
    const { sql } = db();
    const granted = await sql`
    select n.nspname || '.' || c.relname as name, p.privilege
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    cross join (values ('truncate'), ('references'), ('trigger')) as p (privilege)
    where n.nspname in ('public', 'push') and c.relkind in ('r', 'p') and has_table_privilege(${role}, c.oid, p.privilege)`;
    expect([...granted]).toEqual([]);
  },
);
