import postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectBell } from '../../support/bell.ts';
import { createTestDatabase, createUser, type TestDatabase } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';

// With pg_dump itself: .ci/postgres-15.
let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase();
});
afterEach(() => db.drop());

const prepare = () => db.sql`select push.prepare_restore()`;

/** Every table of ours, with how many rows are in it. */
async function countRows(): Promise<Record<string, number>> {
  const tables = await db.sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind = 'r' and (n.nspname = 'push' or (n.nspname = 'public' and c.relname like 'push\_%'))`;
  expect(tables.length).toBeGreaterThan(40);
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await db.sql.unsafe(`select count(*)::int as n from ${name}`);
    if (row?.n) counts[name] = row.n;
  }
  return counts;
}

/** What a project's own migrations may have written, beside ours. */
async function seed(): Promise<void> {
  const { sql } = db;
  await sql`insert into public.push_categories (key, title) values ('deals', 'Deals')`;
  await sql`insert into public.push_topics (key, title) values ('news', 'News')`;
  await sql`insert into public.push_templates (key, title, sample) values ('hello', 'Hello', '{}')`;
  await sql`create table public.deals (id uuid primary key, owner_id uuid)`;
  await sql`
    select push.watch(p_name => 'new_deal', p_table => 'public.deals', p_recipients => 'new.owner_id', p_title => '''New''')`;
}

test('what migrations have written makes room, rows of the project itself too', async () => {
  await seed();
  expect(Object.keys(await countRows())).toEqual(
    expect.arrayContaining([
      'push.hosts',
      'push.settings',
      'push.cleaning',
      'push.rules',
      'push_categories',
      'push_topics',
    ]),
  );
  await prepare();
  expect(await countRows()).toEqual({});
});

test('every trigger is in force again', async () => {
  const states = () => db.sql`
    select tgrelid::regclass::text as table, tgname, tgenabled from pg_trigger where not tgisinternal order by 1, 2`;
  const before = [...(await states())];
  await prepare();
  expect([...(await states())]).toEqual(before);
});

test('rows of the original go in as they were', async () => {
  await prepare();
  const { sql } = db;
  const admin = postgres(db.superuserUrl, { max: 1 });
  await admin.begin(async (t) => {
    await t`set local session_replication_role = replica`;
    await t`insert into push.settings (max_attempts) values (3)`;
    await t`insert into push.hosts (origin) values ('https://fcm.googleapis.com'), ('https://push.example.org')`;
    await t`insert into push.cleaning default values`;
  });
  await admin.end();
  await connectBell(sql);
  const { id } = await createUser(sql);
  await subscribe(sql, id);
  await sql`insert into public.push_notifications (user_id, title) values (${id}, 'Hello')`;
  const [row] = await sql`select count(*)::int as n from push.deliveries`;
  expect(row?.n).toBe(1);
});

test.each<[string, () => Promise<unknown>]>([
  ['is connected', () => connectBell(db.sql)],
  [
    'has devices',
    async () => {
      const { id } = await createUser(db.sql);
      await subscribe(db.sql, id);
    },
  ],
  [
    'has messages',
    async () => {
      const { id } = await createUser(db.sql);
      await db.sql`insert into public.push_notifications (user_id, title) values (${id}, 'Hello')`;
    },
  ],
  [
    'has what users want',
    async () => {
      const { id } = await createUser(db.sql);
      await db.sql`insert into public.push_preferences (user_id, enabled) values (${id}, false)`;
    },
  ],
])('a database that %s keeps everything', async (_, use) => {
  await use();
  const before = await countRows();
  expect(await refusalOf(prepare())).toMatchObject({
    sqlstate: 'PT409',
    code: 'database_in_use',
    hint: expect.stringMatching(/new database/),
  });
  expect(await countRows()).toEqual(before);
});
