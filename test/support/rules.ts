import type postgres from 'postgres';

type Client = postgres.Sql | postgres.TransactionSql;

export interface Rule {
  name?: string;
  table?: string;
  /** These eight are SQL expressions over `new` and `old`. */
  recipients?: string | null;
  title?: string | null;
  body?: string;
  url?: string;
  params?: string;
  condition?: string;
  key?: string;
  events?: string[] | null;
  columns?: string[];
  category?: string;
  urgency?: string;
  ttl?: number;
  collapseKey?: string;
  template?: string;
  /** Four more SQL expressions. */
  digestKey?: string;
  presentation?: string;
  sendAt?: string;
  expiresAt?: string;
}

/** Declares a rule; what is left out watches inserts into public.deals and tells the owner "Deal". */
export async function watch(sql: Client, rule: Rule = {}): Promise<void> {
  const value = <K extends keyof Rule>(key: K, otherwise: Rule[K]) =>
    (key in rule ? rule[key] : otherwise) ?? null;
  await sql`
    select push.watch(
      ${rule.name ?? 'deal_rule'}, ${rule.table ?? 'public.deals'}::regclass,
      ${value('recipients', 'new.owner_id')}, ${value('title', `'Deal'`)}, ${rule.body ?? null}, ${rule.url ?? null},
      ${rule.params ?? null}, ${value('events', ['insert'])}, ${rule.columns ?? null}, ${rule.condition ?? null},
      ${rule.category ?? null}, ${rule.urgency ?? null}, ${rule.ttl ?? null}, ${rule.collapseKey ?? null}, ${rule.key ?? null},
      p_template => ${rule.template ?? null}, p_digest_key => ${rule.digestKey ?? null},
      p_presentation => ${rule.presentation ?? null}, p_send_at => ${rule.sendAt ?? null},
      p_expires_at => ${rule.expiresAt ?? null}
    )`;
}

/** The table that rules watch in these tests: deals of users, with an own row for each kind of column. */
export async function createDeals(sql: Client): Promise<void> {
  await sql.unsafe(`
    create table public.deals (
      id integer primary key,
      owner_id uuid,
      team uuid[],
      title text,
      stage text,
      amount numeric,
      meta json,
      tags jsonb
    )`);
}

/** Takes all rows away without firing a rule. */
export async function emptyDeals(sql: Client): Promise<void> {
  await sql`truncate public.deals`;
}

export interface Told {
  user_id: string;
  title: string;
  body: string | null;
  url: string | null;
  params: Record<string, unknown>;
}

/** Who was told what, in the order of the titles. */
export async function readTold(sql: Client): Promise<Told[]> {
  return await sql<Told[]>`
    select user_id, title, body, url, params from public.push_notifications order by title collate "C", user_id`;
}

export async function readTitles(sql: Client): Promise<string[]> {
  return (await readTold(sql)).map(({ title }) => title);
}

export interface RuleError {
  rule: string;
  event: string;
  sqlstate: string;
  message: string;
  detail: string | null;
}

export async function readRuleErrors(sql: Client): Promise<RuleError[]> {
  return await sql<
    RuleError[]
  >`select rule, event, sqlstate, message, detail from push.rule_errors order by id`;
}

/** Removes every rule, so that the tests of a file don't meet. */
export async function removeRules(sql: Client): Promise<void> {
  await sql`select push.unwatch(name) from push.rules`;
}

/** Errors with the rows they are about, in their order. */
export async function readFailedRows(
  sql: Client,
): Promise<{ row_key: unknown; row_count: string | null; sqlstate: string; message: string }[]> {
  return await sql`select row_key, row_count, sqlstate, message from push.rule_errors order by id`;
}

/** Alarms that are open, by code and subject. */
export async function readAlarms(sql: Client): Promise<{ code: string; subject: string; message: string }[]> {
  return await sql`
    select code, subject, message from push.alarms where resolved_at is null and code like 'rule%' order by code, subject`;
}
