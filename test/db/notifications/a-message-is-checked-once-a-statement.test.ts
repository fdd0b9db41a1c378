import postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { asService } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const USERS = 300;
let users: string[];
beforeEach(async () => {
  const { sql } = db();
  await sql`delete from auth.users`;
  const made = await sql<{ id: string }[]>`
    insert into auth.users (id, email)
    select gen_random_uuid(), n || '@example.com' from generate_series(1, ${USERS}::int) as n returning id`;
  users = made.map(({ id }) => id);
});

const ICON = { icon: '/icon.png', actions: [{ action: 'open', title: 'Open', url: '/deals/7' }] };
const stored = async () => (await db().sql`select from public.push_notifications`).length;

/** How often a function of push was called by what `work` does in a transaction. */
async function callsOf(
  name: string,
  work: (sql: postgres.TransactionSql) => Promise<unknown>,
): Promise<number> {
  const sql = postgres(db().superuserUrl, { max: 1, onnotice: () => {} });
  try {
    return (await sql.begin(async (t) => {
      await t`set local track_functions = 'all'`;
      await work(t);
      const [row] =
        await t`select calls::int from pg_stat_xact_user_functions where schemaname = 'push' and funcname = ${name}`;
      return row?.calls ?? 0;
    })) as number;
  } finally {
    await sql.end();
  }
}

test('a message to many users is looked at closely once, and one of each locale that a template has', async () => {
  const { sql } = db();
  await sql`
    insert into public.push_templates (key, locale, title, presentation) values
      ('deal', '', 'Deal', '{"icon": "/icon.png"}'), ('deal', 'de', 'Abschluss', null)`;
  await sql`insert into public.push_preferences (user_id, locale) select id, 'de' from unnest(${users.slice(0, 100)}::uuid[]) as id`;
  const closely = (work: (t: postgres.TransactionSql) => Promise<unknown>) =>
    callsOf('refuse_notification', work);
  expect(
    await closely(
      (t) => t`select push.notify_many(${users}::uuid[], 'Hello', p_presentation => ${t.json(ICON)})`,
    ),
  ).toBe(1);
  expect(await closely((t) => t`select push.notify_many(${users}::uuid[], p_template => 'deal')`)).toBe(2);
  // Most messages are so plain that one expression tells it.
  expect(
    await closely((t) => t`select push.notify_many(${users}::uuid[], 'Hello', 'World', '/deals/7')`),
  ).toBe(0);
  expect(await stored()).toBe(3 * USERS);
});

/** What a plain insert may bring that only the closer look refuses. */
const FAULTS: [code: string, column: string, value: string][] = [
  ['presentation_malformed', 'presentation', '{"icon": "javascript:alert(1)"}'],
  ['url_malformed', 'url', 'javascript:alert(1)'],
  ['url_malformed', 'url', `/${'x'.repeat(2048)}`],
  ['category_malformed', 'category', 'alerts:'],
  ['notification_too_large', 'params', JSON.stringify({ text: 'x'.repeat(4000) })],
];

test.each(FAULTS)(
  '%s in one of many different rows stores none of them (%s)',
  async (code, column, value) => {
    const refusal = await refusalOf(
      asService(
        db().sql,
        (t) => t`
        insert into public.push_notifications (user_id, title, url, category, params, presentation)
        select id, 'Message ' || n, case when n % 2 = 0 then '/dé' end, null, '{}', case when n % 3 = 0 then ${t.json(ICON)}::jsonb end
        from unnest(${users}::uuid[]) with ordinality as u (id, n)
        union all
        select u.id, 'Message', u.url, u.category, coalesce(u.params, '{}'), u.presentation
        from jsonb_to_record(jsonb_build_object('id', ${users[7] as string}::text, ${column}::text,
          case when ${column} in ('params', 'presentation') then ${value}::text::jsonb else to_jsonb(${value}::text) end
        )) as u (id uuid, url text, category text, params jsonb, presentation jsonb)`,
      ),
    );
    expect(refusal.code).toBe(code);
    expect(await stored()).toBe(0);
  },
);

test.each(FAULTS)('%s is refused in an update, of %s, and for a topic', async (code, column, value) => {
  const { sql } = db();
  await sql`insert into public.push_topics (key, title) values ('news', 'News') on conflict do nothing`;
  const [row] = await sql`
    insert into public.push_notifications (user_id, title) values (${users[0] as string}, 'Hello') returning id`;
  const given = column === 'params' || column === 'presentation' ? sql.json(JSON.parse(value)) : value;
  const update = (t: postgres.TransactionSql) =>
    t`update public.push_notifications set ${t({ [column]: given })} where id = ${row?.id}`;
  expect((await refusalOf(asService(sql, update))).code).toBe(code);
  const insert = (t: postgres.TransactionSql) =>
    t`insert into public.push_notifications ${t({ audience_topic: 'news', title: 'Hello', [column]: given })}`;
  expect((await refusalOf(asService(sql, insert))).code).toBe(code);
  expect(await stored()).toBe(1);
});

test.each([
  [
    'merge',
    'merge into public.push_notifications as n using new on false when not matched then insert (user_id, title, presentation) values (new.user_id, new.title, new.presentation)',
  ],
  [
    'a statement that does something else too',
    'insert into public.push_notifications (user_id, title, presentation) select * from new',
  ],
])('%s is checked as a plain insert is', async (name, statement) => {
  const { sql } = db();
  const values = users
    .slice(0, 2)
    .map((id, n) => `('${id}'::uuid, 'Hello', '{"icon": ${n === 0 ? '"/icon.png"' : '7'}}'::jsonb)`);
  const given = `with new (user_id, title, presentation) as (values ${values.join()})`;
  const refused = sql.unsafe(
    name === 'merge'
      ? `${given} ${statement}`
      : `${given}, made as (${statement} returning 1) select count(*) from made`,
  );
  expect((await refusalOf(refused)).code).toBe('presentation_malformed');
  expect(await stored()).toBe(0);
});

test('where a message is there already, what it is changed into is checked', async () => {
  const { sql } = db();
  const [id] =
    await sql`insert into public.push_notifications (user_id, title) values (${users[0] as string}, 'Hello') returning id`;
  const upsert = asService(
    sql,
    (t) => t`
      insert into public.push_notifications (id, user_id, title) values (${id?.id}, ${users[0] as string}, 'Hello')
      on conflict (id) do update set url = 'javascript:alert(1)'`,
  );
  expect((await refusalOf(upsert)).code).toBe('url_malformed');
});

test('what is equal as JSON but longer is looked at, too', async () => {
  const refusal = await refusalOf(
    asService(
      db().sql,
      (t) => t`
      insert into public.push_notifications (user_id, title, params, presentation)
      select ${users[0] as string}, 'Hello', p.params::jsonb, ${t.json(ICON)}::jsonb
      from (values (1, '{"price": 1}'), (2, ${`{"price": 1.${'0'.repeat(5000)}}`})) as p (n, params)
      order by p.n`,
    ),
  );
  expect(refusal.code).toBe('notification_too_large');
  expect(await stored()).toBe(0);
});
