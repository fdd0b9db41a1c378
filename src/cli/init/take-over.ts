import { InitRefusal } from './refusal.ts';
import { functionsNaming, objectsAfter, tableColumns } from './sql-objects.ts';
import { COLUMNS, copySql } from './take-over-copy.ts';

/** A table of the app with push subscriptions, of which the migration copies the rows that are valid. */
export interface TakeOver {
  /** With its schema. */
  table: string;
  /** What it is called afterwards, without a schema, where one of ours has its name. */
  renamed?: string;
  /** The public VAPID key that its devices were made with, in unpadded base64url; where it is not given, that of the project. */
  vapidKey?: string;
}

/** A table of which a person says that its rows are to be taken over. */
export interface TakeOverWish {
  table: string;
  /** The public VAPID key that its devices were made with, where a person has named it. */
  vapidKey?: string | undefined;
  /** The public VAPID keys of the project's secrets, the newest first. */
  known?: readonly string[];
}

type Migrations = readonly { file: string; sql: string }[];

/** The names of the migrations of Supapush. */
export const OUR_MIGRATION = /_supapush_\d+_\d+_\d+\w*\.sql$/;

const OURS = 'public.push_subscriptions';
const SUFFIX = '_before_supapush';

/** Finds the table of that name and whether its columns are those of push subscriptions. Throws `take_over_refused`. */
export function findTakeOver(migrations: Migrations, given: string | TakeOverWish): TakeOver {
  const { vapidKey, known = [], ...wish } = typeof given === 'string' ? { table: given } : given;
  const table = withSchema(wish.table);
  // One that an earlier take-over gave its name, which stays after an uninstall.
  const kept = table === `${OURS}${SUFFIX}`;
  const found = [...objectsAfter(migrations).values()].find(
    ({ name, word, file }) => name === table && word === 'table' && (kept || !OUR_MIGRATION.test(file)),
  );
  if (found === undefined)
    throw new InitRefusal(
      'take_over_refused',
      `--take-over: your migrations make no table ${table}. Nothing was written.`,
    );
  const columns = tableColumns(ofTheApp(migrations), kept ? OURS : table);
  if (!isKnown(columns, [...COLUMNS.whole, ...COLUMNS.anything])) {
    throw new InitRefusal(
      'take_over_refused',
      `--take-over: the columns of ${table} (${columns.join(', ')}) are not those of push subscriptions that are known: a user, and ` +
        'endpoint, p256dh and auth; endpoint and keys; or the subscription as JSON. Rename them in a migration, or copy the rows yourself ' +
        'after db push. Nothing was written.',
    );
  }
  if (
    vapidKey === undefined &&
    known.length > 1 &&
    !COLUMNS.vapidKey.some((name) => columns.includes(name))
  ) {
    throw new InitRefusal(
      'take_over_refused',
      `--take-over: your secrets have ${known.length} VAPID pairs, and a device is reached only by the one that it was made with. Say which, of ` +
        `these from the newest to the oldest, the rows of ${table} were made with: --vapid-key ${known.join(', or --vapid-key ')}. Nothing was written.`,
    );
  }
  return {
    table,
    ...(table === OURS && { renamed: `push_subscriptions${SUFFIX}` }),
    ...(vapidKey !== undefined && { vapidKey }),
  };
}

/** Tables of the app that look like push subscriptions. */
export function subscriptionTables(migrations: Migrations): string[] {
  const own = ofTheApp(migrations);
  return [...objectsAfter(migrations).values()]
    .filter(
      ({ name, word, file }) =>
        word === 'table' &&
        !OUR_MIGRATION.test(file) &&
        /subscri|push/i.test(name) &&
        isKnown(tableColumns(own, name), COLUMNS.whole),
    )
    .map(({ name }) => name);
}

const withSchema = (given: string) => (given.includes('.') ? given : `public.${given}`);
const ofTheApp = (migrations: Migrations) => migrations.filter(({ file }) => !OUR_MIGRATION.test(file));

function isKnown(columns: readonly string[], whole: readonly string[]): boolean {
  const has = (names: readonly string[]) => names.some((name) => columns.includes(name));
  const keys = has(COLUMNS.keys) || (has(COLUMNS.p256dh) && has(COLUMNS.auth));
  return has(COLUMNS.user) && (has(whole) || (has(COLUMNS.endpoint) && keys));
}

/** What a person has to know of it. */
export function takeOverNotes(takeOver: TakeOver, migrations: Migrations): string[] {
  const { table, renamed } = takeOver;
  const kept = sourceOf(takeOver);
  const copied =
    `The migration copies the rows of ${table} into ${OURS}, where they are valid. The others stay, and are found afterwards by: ` +
    `select * from ${kept} as o where not exists (select from ${OURS} as s where strpos(o::text, s.endpoint) > 0). ` +
    'Devices can be reached only with the VAPID key pair that they were made with: npx supapush secrets --vapid-from <file>. With another ' +
    'pair, these users have to subscribe again.';
  if (renamed === undefined) return [copied];
  const functions = functionsNaming(ofTheApp(migrations), table.split('.')[1] ?? table);
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
export function withTakeOver(migration: string, takeOver: TakeOver): string {
  const { table, renamed } = takeOver;
  const [, own = table] = table.split('.');
  const before = renamed === undefined ? '' : `${renameSql(identifier(own), identifier(renamed))}\n`;
  return `${before}${migration.trimEnd()}\n\n${copySql(sourceOf(takeOver), takeOver.vapidKey)}`;
}

/** Whether a migration is one that `withTakeOver` made of this one. */
export function isTakeOverOf(text: string, migration: string): boolean {
  return text.includes('$supapush_take_over$') && text.replaceAll('\r\n', '\n').includes(migration.trimEnd());
}

/** Whether a migration copies the rows of this table. */
export function takesOver(text: string, given: string): boolean {
  const table = withSchema(given);
  const sources = [
    sourceOf({ table }),
    ...(table === OURS ? [sourceOf({ table, renamed: `push_subscriptions${SUFFIX}` })] : []),
  ];
  return (
    text.includes('$supapush_take_over$') && sources.some((source) => text.includes(`from ${source} as o`))
  );
}

/** The table that has the rows once Supapush is there, as SQL names it. */
function sourceOf({ table, renamed }: TakeOver): string {
  const [schema = 'public', own = table] = table.split('.');
  return renamed === undefined ? `${identifier(schema)}.${identifier(own)}` : `public.${identifier(renamed)}`;
}

const identifier = (name: string) => `"${name.replaceAll('"', '""')}"`;

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
