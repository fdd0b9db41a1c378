import { beforeEach, describe, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { clearQueue } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createAppSubscription, createSubscription, subscribe } from '../../support/subscriptions.ts';
import { createTopic, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

type Row = Record<string, unknown>;

/** A row of each table that clients insert into, as they may. */
const ROWS: Record<string, (user: { id: string }) => Promise<Row>> = {
  push_subscriptions: async () => ({ ...createSubscription() }),
  push_topic_members: async () => ({ topic: (await createTopic(db().sql, 0)).topic }),
  push_reads: async ({ id }) => {
    const { sql } = db();
    const { topic } = await createTopic(sql, 0);
    await sql`insert into public.push_topic_members (topic, user_id) values (${topic}, ${id})`;
    return { notification_id: await notifyTopic(sql, topic) };
  },
  push_preferences: async () => ({ enabled: true }),
  push_device_preferences: async ({ id }) => ({ subscription_id: await subscribe(db().sql, id) }),
  push_alerts: async () => ({ symbol: 'DAX', condition: 'above', threshold: 1 }),
};
const TABLES = Object.keys(ROWS);

/** As PostgREST inserts: from JSON, the columns that any of the rows names. */
async function insert(table: string, userId: string, rows: Row[]): Promise<Row[]> {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return await asUser(db().sql, userId, (t) =>
    t.unsafe<Row[]>(
      `insert into public.${table} (${columns}) select ${columns} from json_populate_recordset(null::public.${table}, $1::text::json) returning *`,
      [JSON.stringify(rows)],
    ),
  );
}

test('what clients insert into is all in this file', async () => {
  const writable = await db().sql<{ name: string }[]>`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind = 'r' and c.relname like 'push%'
      and has_any_column_privilege('authenticated', c.oid, 'insert')
    order by 1`;
  expect(writable.map(({ name }) => name)).toEqual(TABLES.toSorted());
});

describe.each(TABLES)('%s', (table) => {
  test('a column that is null is a default or refused by code, never by a constraint', async () => {
    const { sql } = db();
    const user = await createUser(sql);
    const row = (await ROWS[table]?.(user)) ?? {};
    const columns = await sql<{ name: string }[]>`
      select column_name as name from information_schema.columns
      where table_schema = 'public' and table_name = ${table}
        and has_column_privilege('authenticated', ${`public.${table}`}, column_name, 'insert')`;
    expect(columns.length).toBeGreaterThan(1);
    for (const { name } of columns) {
      const answer = await insert(table, user.id, [{ ...row, [name]: null }]).then(
        () => 'ok',
        (error: { code: string }) => error.code,
      );
      expect([name, answer]).toEqual([name, expect.stringMatching(/^(ok|PT400|PT404|42501)$/)]);
      await sql.unsafe(`delete from public.${table} where user_id = '${user.id}'`);
    }
  });

  test('a session whose account is gone is told so', async () => {
    const { sql } = db();
    const user = await createUser(sql);
    const row = (await ROWS[table]?.(user)) ?? {};
    await sql`delete from auth.users where id = ${user.id}`;
    const gone = { sqlstate: 'PT401', code: 'user_unknown', hint: 'Sign in again.' };
    expect(await refusalOf(insert(table, user.id, [row]))).toMatchObject(gone);
  });
});

test('what one row of a bulk insert leaves out and another gives is the default', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const alert = { symbol: 'DAX', condition: 'above', threshold: 1 };
  const all = {
    hysteresis: 2,
    hysteresis_unit: 'percent',
    cooldown: '1 hour',
    recurring: true,
    urgency: 'low',
    enabled: false,
  };
  const [first, second] = await insert('push_alerts', user.id, [
    alert,
    { ...alert, ...all, window_minutes: 0 },
  ]);
  expect(second).toMatchObject({ ...all, cooldown: '01:00:00' });
  expect(first).toMatchObject({
    window_minutes: 0,
    hysteresis: 0,
    hysteresis_unit: 'absolute',
    cooldown: '00:00:00',
    recurring: false,
    urgency: 'high',
    enabled: true,
  });
  const [preferences] = await insert('push_preferences', user.id, [{ enabled: null, locale: 'de' }]);
  expect(preferences).toMatchObject({ enabled: true, quiet_by_weekday: {}, muted_categories: [] });
});

test('a browser and an app in one request are refused with what is missing', async () => {
  const user = await createUser(db().sql);
  const both = insert('push_subscriptions', user.id, [
    { ...createSubscription() },
    { ...createAppSubscription() },
  ]);
  expect(await refusalOf(both)).toMatchObject({
    sqlstate: 'PT400',
    code: 'channel_unknown',
    hint: expect.stringMatching(/webpush/),
  });
});
