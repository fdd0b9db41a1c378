import type postgres from 'postgres';

type Client = postgres.Sql | postgres.TransactionSql;

/** A row of push_templates as it is saved. */
export interface TemplateValues {
  key?: string;
  locale?: string;
  title?: string;
  body?: string | null;
  url?: string | null;
  presentation?: unknown;
  category?: string;
  urgency?: string;
  ttl?: number;
  tag?: string;
  sample?: unknown;
}

/** Saves templates by one statement. */
export async function saveTemplates(sql: Client, ...templates: TemplateValues[]): Promise<void> {
  const rows = templates.map((template) => ({ key: 'deal_won', title: 'Won', ...template }));
  await sql`
    insert into public.push_templates
      (key, locale, title, body, url, presentation, category, urgency, ttl, tag, sample)
    select t.key, coalesce(t.locale, ''), t.title, t.body, t.url, nullif(t.presentation, 'null'), t.category, t.urgency, t.ttl,
      t.tag, nullif(t.sample, 'null')
    from jsonb_to_recordset(${sql.json(rows as postgres.JSONValue)}) as t (
      key text, locale text, title text, body text, url text, presentation jsonb, category text, urgency text, ttl integer,
      tag text, sample jsonb
    )`;
}

export interface Preview {
  locale: string;
  title: string;
  body: string | null;
  url: string | null;
  presentation: Record<string, unknown> | null;
  category: string | null;
  urgency: string;
  ttl: number | null;
  tag: string | null;
  bytes: number;
}

/** What a notification of a template would say; without params, with the template's sample. */
export async function preview(
  sql: Client,
  key: string,
  values: { locale?: string; params?: unknown } = {},
): Promise<Preview> {
  const params = values.params === undefined ? null : sql.json(values.params as postgres.JSONValue);
  const [row] = await sql<Preview[]>`
    select * from push.preview_template(${key}, ${values.locale ?? null}, ${params}::jsonb)`;
  return row as Preview;
}

/** Has users prefer a locale; an empty one is none. */
export async function setLocales(sql: Client, locales: Record<string, string>): Promise<void> {
  const rows = Object.entries(locales).map(([user_id, locale]) => ({ user_id, locale: locale || null }));
  await sql`insert into public.push_preferences ${sql(rows)}`;
}
