import { expect, test } from 'vitest';
import { checkSourceLength } from '../../../tools/quality/file-length.ts';
import { checkFunctionLength } from '../../../tools/quality/function-length.ts';
import {
  readSchema,
  SCHEMA_MIGRATION,
  writeSchemaMigration,
} from '../../../tools/quality/schema/schema-files.ts';
import { checkSchema, SNAPSHOT_FILE } from '../../../tools/quality/schema/schema-gate.ts';
import { checkSchemaOrder } from '../../../tools/quality/schema/schema-order.ts';
import { withPlantedProject } from '../../functions/deploy/planted-project.ts';
import { withMigratedCopy } from '../../support/migrated-copy.ts';

const ALARMS = 'supabase/schemas/00_base/alarms.sql';
const MIGRATION = 'supabase/migrations/20990101000000_planted.sql';

test('a schema that changes without its migration is found, and a migration without its snapshot', async () => {
  await withPlantedProject(async ({ directory, append, write }) => {
    await append(ALARMS, "\ncomment on column push.alarms.raised_at is 'Planted.';\n");
    expect(await checkSchema(directory, withMigratedCopy)).toEqual([
      'comment column push.alarms.raised_at is in the schema only',
      'Run: npm run schema',
    ]);
    await write(SCHEMA_MIGRATION, writeSchemaMigration(await readSchema(directory)));
    expect(await checkSchema(directory)).toEqual([`${SNAPSHOT_FILE} is out of date. Run: npm run schema`]);
  });
});

const ONLY_MIGRATED: [what: string, statement: string, problem: string][] = [
  ['a column', 'alter table push.alarms add column planted text;', 'table push.alarms differs'],
  [
    'the order of columns',
    'alter table push.reminder_errors drop column message, add column message text not null;',
    'table push.reminder_errors differs',
  ],
  ['a default', "alter table push.hosts alter column channel set default 'fcm';", 'table push.hosts differs'],
  [
    'a constraint',
    "alter table push.alarms add constraint planted check (code <> '');",
    'constraint push.alarms planted is in the migrations only',
  ],
  [
    'an index',
    'create index planted on push.alarms (message);',
    'index push.planted is in the migrations only',
  ],
  ['row security', 'alter table push.receipts disable row level security;', 'table push.receipts differs'],
  [
    'a policy',
    'create policy planted on push.alarms for select to service_role using (true);',
    'policy push.alarms planted is in the migrations only',
  ],
  ['a grant', 'grant select on push.alarms to anon;', 'grant relation push.alarms differs'],
  [
    'a grant of a column',
    'grant select (code) on push.alarms to anon;',
    'grant column push.alarms.code is in the migrations only',
  ],
  [
    'who may execute',
    'grant execute on function push.tick(timestamptz) to anon;',
    'grant function push.tick(p_now timestamp with time zone) differs',
  ],
  [
    'a setting of a function',
    "alter function push.tick(timestamptz) set work_mem = '1MB';",
    'function push.tick(p_now timestamp with time zone) differs',
  ],
  [
    'a trigger',
    'create trigger planted before insert on push.alarms for each row execute function push.keep_rows();',
    'trigger push.alarms planted is in the migrations only',
  ],
  [
    'a trigger that is off',
    'alter table push.settings disable trigger settings_keep;',
    'trigger push.settings settings_keep differs',
  ],
  [
    'what a policy is said to be',
    "comment on policy settings_nobody on push.settings is 'Planted.';",
    'comment policy push.settings settings_nobody is in the migrations only',
  ],
  [
    'a cron job',
    "select cron.schedule('supapush-planted', '* * * * *', 'select 1');",
    'cron job supapush-planted is in the migrations only',
  ],
  [
    'a row',
    "insert into push.hosts (origin, channel) values ('https://planted.example', 'webpush');",
    'rows push.hosts differs',
  ],
  ['a setting', 'update push.settings set test_limit = 11;', 'rows push.settings differs'],
];

test('each kind of thing that only a migration makes is found', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await write(MIGRATION, ONLY_MIGRATED.map(([, statement]) => statement).join('\n'));
    const problems = (await checkSchema(directory, withMigratedCopy)).join('\n');
    for (const [what, , problem] of ONLY_MIGRATED) expect(problems, what).toContain(problem);
  });
});

test('a file that uses what is defined later, one that is not listed, and a long one are found', async () => {
  await withPlantedProject(async ({ directory, append, write }) => {
    expect(await checkSchemaOrder(directory)).toEqual([]);
    await append(
      ALARMS,
      '\ncreate function push.planted() returns void language plpgsql as $$ begin perform push.tick(); end $$;\n',
    );
    expect(await checkSchemaOrder(directory)).toEqual([
      'schemas/00_base/alarms.sql uses push.tick, which is defined later, in schemas/89_jobs/tick.sql',
    ]);
    await write('supabase/schemas/00_base/planted.sql', '-- a line\n'.repeat(301));
    expect((await checkSourceLength(directory)).join()).toContain(
      'schemas/00_base/planted.sql has 301 lines',
    );
    await expect(readSchema(directory)).rejects.toThrow('does not name schemas/00_base/planted.sql');
  });
});

test('a function of the schema with a body of 101 lines is found, and one of 100 lines is not', async () => {
  const planted = (name: string, lines: number): string =>
    `\ncreate function push.${name}()\nreturns void\nlanguage plpgsql\nas $$\nbegin\n${'  perform 1;\n'.repeat(lines - 2)}end;\n$$;\n`;
  await withPlantedProject(async ({ directory, append }) => {
    await append(ALARMS, planted('short', 100));
    expect(await checkFunctionLength(directory)).toEqual([]);
    await append(ALARMS, planted('long', 101));
    expect(await checkFunctionLength(directory)).toEqual([
      'schemas/00_base/alarms.sql: push.long has 101 lines, 100 at most',
    ]);
  });
});
