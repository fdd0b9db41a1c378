/** What a page's SQL presupposes, and what shows that it did what the page says. */
export interface PageWithSql {
  /** Run before the first block. `:user` is the id of the one user there is. */
  before?: string;
  /** For blocks that show single arguments, by how such a line begins: the statement around each line, `:line`. */
  around?: { start: string; statement: string };
  /** Run after the last block: changes that make the page's declarations do something. */
  after?: string;
  /** A query after all that, and its one row. */
  shows: string;
  row: Record<string, unknown>;
}

const TITLES = `select array_agg(title order by title collate "C") as titles from public.push_notifications`;
const DEALS = `
  create table public.deals (id integer primary key, owner_id uuid, organisation_id integer, name text, stage text);
  insert into public.deals values (7, :user, 1, 'Acme', 'open');`;

/** Every page with SQL, by its path. A table that a page names is the smallest that it can mean. */
export const PAGES_WITH_SQL: Record<string, PageWithSql> = {
  'README.md': {
    before: DEALS,
    after: `update public.deals set stage = 'won'`,
    shows: TITLES,
    row: { titles: ['Acme is won'] },
  },
  'docs/start/frontend.md': { shows: TITLES, row: { titles: ['Hello'] } },
  'docs/guides/alerts.md': {
    shows: `
      select s.alert_level_template as template, (push.preview_template('alert_level', 'de')).title
      from push.settings as s`,
    row: { template: 'alert_level', title: 'Über 18500' },
  },
  'docs/guides/digests.md': {
    before: `select push.define_digest('alerts', '1 hour', p_url => '/alerts')`,
    after: `
      select push.notify(:user, 'Ben commented on Acme', p_digest_key => 'deals:42');
      select push.notify(:user, 'Cem commented on Acme', p_digest_key => 'deals:42');
      select push.tick(now() + interval '16 minutes');
      select push.notify(:user, 'DAX ' || n, p_category => 'alerts') from generate_series(1, 6) as n`,
    // Of `deals:42`, the first was sent at once and the summary tells of the other two. The sixth alert waits for its digest.
    shows: `
      select (select array_agg(body) from public.push_notifications where body is not null) as summaries,
        (select array_agg(digest_key || ' ' || coalesce(items::text, 'open') order by digest_key) from push.digests) as digests,
        s.daily_ceiling
      from push.settings as s`,
    row: { summaries: ['and 1 more'], digests: ['alerts open', 'deals:42 2'], daily_ceiling: 30 },
  },
  'docs/guides/inbox.md': {
    shows: `select tablename as table from pg_publication_tables where pubname = 'supabase_realtime'`,
    row: { table: 'push_notifications' },
  },
  'docs/guides/messages.md': {
    before: 'create table public.members (user_id uuid); insert into public.members values (:user)',
    shows: TITLES,
    row: { titles: ['Maintenance tonight', 'Stand-up', 'Your table is ready'] },
  },
  'docs/guides/preferences.md': {
    shows: `
      select (select quiet_hours_pass from push.settings) as passes,
        array_agg(key || ' ' || quiet_hours || ' ' || critical order by key) as categories
      from public.push_categories where key in ('feed', 'alarm')`,
    row: { passes: ['critical', 'high'], categories: ['alarm defer true', 'feed drop false'] },
  },
  'docs/guides/quotes.md': {
    before: 'create table public.products (sku text primary key, stock integer not null)',
    after: `insert into public.products values ('A1', 9); update public.products set stock = 3`,
    shows: `
      select (select array_agg(name) from push.quote_sources) as sources, q.symbol, q.value::integer as value, q.lasting
      from public.push_quotes as q`,
    row: { sources: ['exchange'], symbol: 'stock:A1', value: 3, lasting: true },
  },
  'docs/guides/receipts.md': {
    shows: 'select app_url from push.settings',
    row: { app_url: 'https://app.example.com' },
  },
  'docs/guides/reminders.md': {
    before:
      'create table public.bookings (id integer primary key, guest_id uuid, starts_at timestamptz, status text)',
    after: `
      insert into public.bookings values (7, :user, now() + interval '90 minutes', 'confirmed'),
        (8, :user, now() + interval '90 minutes', 'asked for');
      select push.tick(now() + interval '31 minutes')`,
    shows: `select regexp_replace(title, '\\d\\d:\\d\\d', '…') as title, url from public.push_notifications`,
    row: { title: 'Your table at …', url: '/bookings/7' },
  },
  'docs/guides/rules.md': {
    before: `${DEALS}
      create table public.members (user_id uuid, organisation_id integer);
      create table public.tickets (holder_id uuid, event_id integer, status text);
      insert into public.members values (:user, 1);
      insert into public.tickets values (:user, 7, 'valid');`,
    around: {
      start: 'p_recipients',
      statement: `
        select push.watch('rule_' || left(md5($md$:line$md$), 8), 'public.deals', p_events => '{insert}', p_title => $$ 'New' $$, :line)`,
    },
    after: `
      insert into public.deals values (8, :user, 1, 'Other', 'open');
      update public.deals set stage = 'won' where id = 7;
      update public.deals set stage = 'draft' where id = 8;`,
    shows: TITLES,
    row: { titles: ['Acme is won', 'New'] },
  },
  'docs/guides/templates.md': {
    before: `insert into public.push_preferences (user_id, locale) values (:user, 'de-AT')`,
    shows: 'select title, url, tag from public.push_notifications',
    row: { title: 'Acme ist gewonnen', url: '/deals/7', tag: 'deal:7' },
  },
  'docs/guides/topics.md': {
    shows: `select status, audience_topic from public.push_notifications`,
    row: { status: 'cancelled', audience_topic: 'news' },
  },
  'docs/operate/pause.md': {
    before: `insert into public.push_categories (key, title) values ('alerts', 'Alerts')`,
    shows: `select count(*)::integer as paused, count(resumed_at)::integer as resumed from push.pauses`,
    row: { paused: 3, resumed: 2 },
  },
  // The last block takes the role away again: roles belong to the whole server.
  'docs/operate/worker.md': {
    shows: `select count(*)::int as roles from pg_roles where rolname = 'supapush_worker'`,
    row: { roles: 0 },
  },
  'docs/operate/privacy.md': {
    shows: `select push.export_user(:user) ->> 'user_id' = :user::text as theirs`,
    row: { theirs: true },
  },
  'docs/operate/statistics.md': {
    shows: `select coalesce(sum(sent), 0)::integer as sent from push.stats(now() - interval '30 days')`,
    row: { sent: 0 },
  },
  'docs/operate/settings.md': {
    shows: 'select daily_ceiling, app_url from push.settings',
    row: { daily_ceiling: 30, app_url: 'https://app.example.com' },
  },
};
