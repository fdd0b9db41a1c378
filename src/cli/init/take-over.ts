import { InitRefusal } from './refusal.ts';
import { functionsNaming, objectsAfter, tableColumns } from './sql-objects.ts';

/** A table of the app with push subscriptions, of which the migration copies the rows that are valid. */
export interface TakeOver {
  /** With its schema. */
  table: string;
  /** What it is called afterwards, without a schema, where one of ours has its name. */
  renamed?: string;
}

type Migrations = readonly { file: string; sql: string }[];

/** The columns that apps and tutorials keep these in; the first that a row has counts. */
const COLUMNS = {
  user: ['user_id', 'userId', 'userid', 'profile_id', 'owner_id', 'account_id', 'uid', 'owner'],
  /** `PushSubscription.toJSON()`, as JSON or as its text. */
  whole: [
    'subscription',
    'push_subscription',
    'subscription_data',
    'subscription_json',
    'subscription_object',
    'web_push_subscription',
    'data',
    'value',
  ],
  endpoint: ['endpoint', 'subscription_endpoint', 'push_endpoint'],
  /** Both keys, as JSON or as its text. */
  keys: ['keys', 'subscription_keys'],
  p256dh: ['p256dh', 'p256dh_key', 'key_p256dh', 'keys_p256dh', 'p256dhKey', 'p256_dh'],
  auth: ['auth', 'auth_key', 'key_auth', 'keys_auth', 'authKey', 'auth_secret', 'auth_token'],
};
const OURS = 'public.push_subscriptions';
const SUFFIX = '_before_supapush';

/** Finds the table of that name and whether its columns are those of push subscriptions. Throws `take_over_refused`. */
export function findTakeOver(migrations: Migrations, given: string): TakeOver {
  const table = given.includes('.') ? given : `public.${given}`;
  const found = [...objectsAfter(migrations).values()].find(
    ({ name, word }) => name === table && word === 'table',
  );
  if (found === undefined)
    throw new InitRefusal(
      'take_over_refused',
      `--take-over: your migrations make no table ${table}. Nothing was written.`,
    );
  const columns = tableColumns(migrations, table);
  if (!isKnown(columns)) {
    throw new InitRefusal(
      'take_over_refused',
      `--take-over: the columns of ${table} (${columns.join(', ')}) are not those of push subscriptions that are known: a user, and ` +
        'endpoint, p256dh and auth; endpoint and keys; or the subscription as JSON. Rename them in a migration, or copy the rows yourself ' +
        'after db push. Nothing was written.',
    );
  }
  return table === OURS ? { table, renamed: `push_subscriptions${SUFFIX}` } : { table };
}

/** Tables of the app that look like push subscriptions. */
export function subscriptionTables(migrations: Migrations): string[] {
  return [...objectsAfter(migrations).values()]
    .filter(
      ({ name, word }) =>
        word === 'table' && /subscri|push/i.test(name) && isKnown(tableColumns(migrations, name)),
    )
    .filter(({ name }) => !name.endsWith(SUFFIX))
    .map(({ name }) => name);
}

function isKnown(columns: readonly string[]): boolean {
  const has = (names: readonly string[]) => names.some((name) => columns.includes(name));
  const keys = has(COLUMNS.keys) || (has(COLUMNS.p256dh) && has(COLUMNS.auth));
  return has(COLUMNS.user) && (has(COLUMNS.whole) || (has(COLUMNS.endpoint) && keys));
}

/** What a person has to know of it. */
export function takeOverNotes({ table, renamed }: TakeOver, migrations: Migrations): string[] {
  const [schema = 'public', own = table] = table.split('.');
  const kept = `${schema}.${renamed ?? own}`;
  const copied =
    `The migration copies the rows of ${table} into ${OURS}, where they are valid. The others stay, and are found afterwards by: ` +
    `select * from ${kept} as o where not exists (select from ${OURS} as s where strpos(o::text, s.endpoint) > 0). ` +
    'Devices can be reached only with the VAPID key pair that they were made with: npx supapush secrets --vapid-from <file>. With another ' +
    'pair, these users have to subscribe again.';
  if (renamed === undefined) return [copied];
  const functions = functionsNaming(migrations, table.split('.')[1] ?? table);
  return [
    `${copied} Your table is ${renamed} then; views, foreign keys, policies and triggers follow it. What your app does with ` +
      `${table.split('.')[1]} meets the table of Supapush from then on: let it use createPushClient.`,
    ...(functions.length === 0
      ? []
      : [
          `These functions of yours name the table, and would fail or meet the other one: ${functions.join(', ')}. Change them.`,
        ]),
  ];
}

/** The migration of a release with what gives the app's table another name before it, and copies the rows after it. */
export function withTakeOver(migration: string, { table, renamed }: TakeOver): string {
  const [schema = 'public', own = table] = table.split('.');
  const source =
    renamed === undefined ? `${identifier(schema)}.${identifier(own)}` : `public.${identifier(renamed)}`;
  const before = renamed === undefined ? '' : `${renameSql(identifier(own), identifier(renamed))}\n`;
  return `${before}${migration.trimEnd()}\n\n${copySql(source)}`;
}

/** Whether a migration is one that `withTakeOver` made of this one. */
export function isTakeOverOf(text: string, migration: string): boolean {
  return text.includes('$supapush_take_over$') && text.replaceAll('\r\n', '\n').includes(migration.trimEnd());
}

const identifier = (name: string) => `"${name.replaceAll('"', '""')}"`;
const list = (names: readonly string[]) => `'{${names.join(',')}}'::text[]`;

function renameSql(own: string, renamed: string): string {
  return String.raw`-- Written by supapush init --take-over: your table of this name gets another. Views, foreign keys, policies and triggers follow it.
do $supapush_take_over$
declare
  v_index record;
  v_functions text;
begin
  if current_setting('lock_timeout') = '0' then
    perform set_config('lock_timeout', '5s', true);
  end if;
  alter table public.${own} rename to ${renamed};
  for v_index in
    select c.relname from pg_catalog.pg_index as i join pg_catalog.pg_class as c on c.oid = i.indexrelid
    where i.indrelid = 'public.${renamed}'::regclass
  loop
    execute format('alter index public.%I rename to %I', v_index.relname, left(v_index.relname, 47) || '${SUFFIX}');
  end loop;
  select string_agg(p.oid::regprocedure::text, ', ') into v_functions
  from pg_catalog.pg_proc as p
  where p.prosrc ~* '\mpush_subscriptions\M' and p.pronamespace <> 'pg_catalog'::regnamespace;
  if v_functions is not null then
    raise warning 'These functions name push_subscriptions, which is the table of Supapush from now on: %', v_functions;
  end if;
end;
$supapush_take_over$;
`;
}

function copySql(source: string): string {
  return String.raw`-- Written by supapush init --take-over: the rows of your table that are valid. Those that are not, stay in it.
do $supapush_take_over$
declare
  v_row jsonb;
  v_value jsonb;
  v_whole jsonb;
  v_keys jsonb;
  v_name text;
  v_rows integer := 0;
  v_refused integer := 0;
  v_reasons jsonb := '{}';
begin
  -- The newest last: a device that is there twice is that of its last row.
  for v_row in
    select to_jsonb(o) from ${source} as o order by to_jsonb(o) ->> 'created_at' nulls first
  loop
    v_rows := v_rows + 1;
    begin
      -- JSON that was stored as text, and keys that were stored as bytes.
      for v_name, v_value in select e.key, e.value from jsonb_each(v_row) as e where jsonb_typeof(e.value) = 'string' loop
        if v_value #>> '{}' ~ '^\s*\{.*\}\s*$' then
          v_row := jsonb_set(v_row, array[v_name], (v_value #>> '{}')::jsonb);
        elsif v_value #>> '{}' ~ '^\\x([0-9a-f]{2})+$' then
          v_row := jsonb_set(v_row, array[v_name], to_jsonb(encode(decode(substr(v_value #>> '{}', 3), 'hex'), 'base64')));
        end if;
      end loop;
      select coalesce(nullif(v_row -> c.name -> 'subscription', 'null'), v_row -> c.name) into v_whole
      from unnest(${list(COLUMNS.whole)}) with ordinality as c (name, place)
      where jsonb_typeof(v_row -> c.name) = 'object'
      order by c.place
      limit 1;
      v_whole := coalesce(v_whole, '{}') || jsonb_strip_nulls(jsonb_build_object(
        'endpoint', coalesce(v_whole ->> 'endpoint', (
          select v_row ->> c.name from unnest(${list(COLUMNS.endpoint)}) as c (name) where v_row ->> c.name <> '' limit 1))
      ));
      select v_row -> c.name into v_keys
      from unnest(${list(COLUMNS.keys)}) as c (name) where jsonb_typeof(v_row -> c.name) = 'object' limit 1;
      v_keys := coalesce(v_whole -> 'keys', v_keys, '{}');
      insert into public.push_subscriptions (user_id, endpoint, p256dh, auth, user_agent)
      values (
        (select v_row ->> c.name from unnest(${list(COLUMNS.user)}) as c (name) where v_row ->> c.name <> '' limit 1)::uuid,
        v_whole ->> 'endpoint',
        coalesce(v_keys ->> 'p256dh', (
          select v_row ->> c.name from unnest(${list(COLUMNS.p256dh)}) as c (name) where v_row ->> c.name <> '' limit 1)),
        coalesce(v_keys ->> 'auth', (
          select v_row ->> c.name from unnest(${list(COLUMNS.auth)}) as c (name) where v_row ->> c.name <> '' limit 1)),
        left(v_row ->> 'user_agent', 256)
      );
    exception when others then
      v_refused := v_refused + 1;
      v_reasons := jsonb_set(v_reasons, array[sqlerrm], to_jsonb(coalesce((v_reasons ->> sqlerrm)::integer, 0) + 1));
    end;
  end loop;
  raise notice 'Supapush took over % of % rows of %, which are % devices.', v_rows - v_refused, v_rows, '${source.replaceAll("'", "''")}',
    (select count(*) from public.push_subscriptions);
  if v_refused > 0 then
    raise warning '% rows were not taken over, and stay in %: %', v_refused, '${source.replaceAll("'", "''")}', (
      select string_agg(format('%s (%s)', r.key, r.value), '; ') from jsonb_each_text(v_reasons) as r
    );
  end if;
end;
$supapush_take_over$;
`;
}
