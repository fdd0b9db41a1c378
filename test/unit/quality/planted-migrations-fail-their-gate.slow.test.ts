import { expect, test } from 'vitest';
import { checkAdvisors } from '../../../tools/quality/advisors.ts';
import { checkGeneratedTypes, TYPES_FILE } from '../../../tools/quality/database-types.ts';
import { PROJECT, withPlantedProject } from '../../functions/deploy/planted-project.ts';

const PLANTED = 'supabase/migrations/20990101000000_planted.sql';

test('the advisors find nothing in the migrations', async () => {
  expect(await checkAdvisors(PROJECT)).toEqual([]);
});

test('a table without RLS, and a foreign key without an index, are found by the advisors', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await write(
      PLANTED,
      `create table public.planted (id bigint primary key, parent bigint references public.planted);
       grant select on public.planted to anon;`,
    );
    const findings = (await checkAdvisors(directory)).join('\n');
    expect(findings).toContain('ERROR rls_disabled_in_public: Table `public.planted`');
    expect(findings).toContain('INFO unindexed_foreign_keys: Table `public.planted`');
  });
});

test('the generated types are those of the migrations, and no longer after a migration of another table', async () => {
  expect(await checkGeneratedTypes(PROJECT)).toEqual([]);
  await withPlantedProject(async ({ directory, write }) => {
    await write(PLANTED, 'create table public.planted (id bigint primary key);');
    expect(await checkGeneratedTypes(directory)).toEqual([
      `${TYPES_FILE} is out of date. Run: npm run types`,
    ]);
  });
});
