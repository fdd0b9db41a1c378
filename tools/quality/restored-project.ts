import { createECDH, randomBytes, randomUUID } from 'node:crypto';
import postgres from 'postgres';
import type { PostgresServer } from '../local/postgres/postgres-server.ts';

export const PROJECT_URL = 'https://abcdefghijklmnopqrst.supabase.co';
const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';

/** A project's own migration: it makes a table, and writes rows of ours. */
export const APP_SCHEMA = `
create table public.deals (id uuid primary key default gen_random_uuid(), owner_id uuid not null, closes_at timestamptz not null);
insert into public.push_categories (key, title) values ('deals', 'Deals');
insert into public.push_topics (key, title) values ('news', 'News');
insert into public.push_templates (key, title, sample) values ('hello', 'Hello {{name}}', '{"name": "Ada"}');
select push.watch('new_deal', 'public.deals', 'new.owner_id', '''A deal''', p_category => 'deals');
select push.remind('deal_closes', 'public.deals', 'new.closes_at', array[interval '1 hour'], 'new.owner_id', p_title => '''It closes''');
select push.define_digest('daily', interval '1 hour', '{{count}} deals');
`;

const open = (server: PostgresServer, database: string, role: 'postgres' | 'supabase_admin' = 'postgres') =>
  postgres(server.url({ role, database }), { max: 1, onnotice: () => undefined });

/** Puts users, devices, messages in several states and settings of its own into a migrated database, and connects it. */
export async function fillProject(server: PostgresServer, database: string, url: string): Promise<void> {
  const sql = open(server, database);
  try {
    await sql`select push.connect(${url}, ${BELL_SECRET})`;
    await sql`update push.settings set max_attempts = 7, app_url = 'https://app.example.com' where id`;
    await sql`insert into push.hosts (origin) values ('https://push.example.org')`;
    await sql`delete from push.hosts where origin = 'https://jmt17.google.com'`;
    await sql`
      select push.define_quote_source(p_name => 'main', p_adapter => 'json', p_value_at => 'data[*].last',
        p_symbol_at => 'data[*].symbol', p_url => 'https://quotes.example.com/?symbols={symbols}')`;
    for (let n = 0; n < 5; n += 1) {
      const id = randomUUID();
      await sql`insert into auth.users (id, email) values (${id}, ${`${id}@example.com`})`;
      const ecdh = createECDH('prime256v1');
      await sql`
        insert into public.push_subscriptions (user_id, endpoint, p256dh, auth)
        values (${id}, ${`https://push.example.org/${id}`}, ${ecdh.generateKeys('base64url')},
          ${randomBytes(16).toString('base64url')})`;
      await sql`insert into public.push_preferences (user_id) values (${id})`;
      await sql`insert into public.push_topic_members (user_id, topic) values (${id}, 'news')`;
      await sql`insert into public.push_alerts (user_id, symbol, condition, threshold) values (${id}, 'DAX', 'above', 1)`;
      await sql`insert into public.deals (owner_id, closes_at) values (${id}, now() + interval '2 days')`;
      await sql`select push.notify(${id}, 'Later', p_send_at => now() + interval '1 day')`;
    }
    await sql`select push.notify_topic('news', 'For all')`;
    const claimed = await claim(sql, 3);
    await sql`select public.push_complete(${sql.json(
      claimed.map(({ delivery_id, claim_number }) => ({
        delivery_id,
        claim_number,
        outcome: 'sent',
        status: 201,
      })) as never,
    )})`;
    await sql`select push.fan_out()`;
  } finally {
    await sql.end();
  }
}

/** Of each table of ours and of schema auth, how many rows there are and a sum over them. */
export async function describeProject(
  server: PostgresServer,
  database: string,
): Promise<Record<string, string>> {
  const sql = open(server, database, 'supabase_admin');
  try {
    const tables = await sql<{ name: string }[]>`
      select format('%I.%I', n.nspname, c.relname) as name
      from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
      where c.relkind = 'r' and n.nspname in ('push', 'public', 'auth') order by 1`;
    const description: Record<string, string> = {};
    for (const { name } of tables) {
      const [row] = await sql.unsafe(`
        select count(*) || ' rows, ' || coalesce(md5(string_agg(t::text, ',' order by t::text)), '') as content from ${name} as t`);
      description[name] = row?.content;
    }
    return description;
  } finally {
    await sql.end();
  }
}

/** What is wrong with a database that was restored: rows that are not those of the original, and what connecting does not mend. */
export async function problemsOf(
  server: PostgresServer,
  database: string,
  original: Record<string, string>,
): Promise<string[]> {
  const restored = await describeProject(server, database);
  const problems = Object.entries(original).flatMap(([table, rows]) =>
    restored[table] === rows ? [] : [`${table} had ${rows}, and has ${restored[table] ?? 'gone'}`],
  );
  const admin = open(server, database, 'supabase_admin');
  // Another project's Vault has another key, and whatever came along cannot be read.
  await admin`update vault.secrets set secret = '*' where true`;
  await admin.end();

  const sql = open(server, database);
  try {
    await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET})`;
    const jobs = await sql`select jobname from cron.job order by jobname`;
    const names = jobs.map(({ jobname }) => jobname).join(' ');
    if (names !== 'supapush-alerts supapush-clean supapush-quotes supapush-statistics supapush-tick')
      problems.push(`Its jobs are: ${names}`);
    const [before] = await sql`select count(*)::int as n from public.push_notifications`;
    await sql`insert into public.deals (owner_id, closes_at) select id, now() + interval '2 days' from auth.users`;
    const [after] = await sql`select count(*)::int as n from public.push_notifications`;
    if (after?.n !== before?.n + 5) problems.push('Its rule does not notify.');
    const [moments] = await sql`select count(*)::int as n from push.reminder_moments`;
    if (moments?.n !== 10) problems.push(`It has ${moments?.n} moments of reminders, and not 10.`);
    // By then the leases of dispatchers that came along are over.
    await sql`select push.tick(now() + interval '1 minute')`;
    const [rings] =
      await sql`select count(*)::int as n from net.http_request_queue where url like ${`${PROJECT_URL}/%`}`;
    if (!rings?.n) problems.push('It does not ring.');
    const [waiting] =
      await sql`select count(*)::int as n from push.deliveries where state = 'queued' and due_at <= now()`;
    const claimed = await claim(sql, 100);
    if (claimed.length === 0 || claimed.length !== waiting?.n)
      problems.push(`${waiting?.n} deliveries wait, and ${claimed.length} are handed out.`);
    await sql`select push.tick(), push.clean(), push.tick_alerts(), push.ring_for_quotes()`;
    const reasons = await sql<{ code: string; message: string }[]>`
      select code, message from jsonb_to_recordset(public.push_health() -> 'reasons') as r (code text, message text)`;
    // pg_cron runs nothing here.
    for (const { code, message } of reasons)
      if (code !== 'tick_missing') problems.push(`Health says: ${code}: ${message}`);
    const broken = await sql`select name, state from push.rule_status where state <> 'intact'`;
    for (const { name, state } of broken) problems.push(`Its rule ${name} is ${state}.`);
  } finally {
    await sql.end();
  }
  return problems;
}

async function claim(
  sql: postgres.Sql,
  limit: number,
): Promise<{ delivery_id: number; claim_number: number }[]> {
  const [row] = await sql`
    select public.push_claim(p_dispatcher => ${randomUUID()}, p_limit => ${limit}, p_protocol => 1, p_project => ${PROJECT_URL}) as answer`;
  return row?.answer.deliveries;
}
