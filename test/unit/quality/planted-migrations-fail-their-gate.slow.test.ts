import { expect, test } from 'vitest';
import { checkAdvisors } from '../../../tools/quality/advisors.ts';
import { checkGeneratedTypes, TYPES_FILE } from '../../../tools/quality/database-types.ts';
import { withPlantedProject } from '../../functions/deploy/planted-project.ts';
import { withMigratedCopy } from '../../support/migrated-copy.ts';

const PLANTED = 'supabase/migrations/20990101000000_planted.sql';

test('a table without RLS, and a foreign key without an index, are found by the advisors', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await write(
      PLANTED,
      `create table public.planted (id bigint primary key, parent bigint references public.planted);
       grant select on public.planted to anon;`,
    );
    // These two alone: the migrations themselves give no cause.
    expect((await checkAdvisors(directory, withMigratedCopy)).sort()).toEqual([
      expect.stringContaining('ERROR rls_disabled_in_public: Table `public.planted`'),
      expect.stringContaining('INFO unindexed_foreign_keys: Table `public.planted`'),
    ]);
  });
});

test('the generated types are out of date after a migration of another table', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await write(PLANTED, 'create table public.planted (id bigint primary key);');
    expect(await checkGeneratedTypes(directory, withMigratedCopy)).toEqual([
      `${TYPES_FILE} is out of date. Run: npm run types`,
    ]);
  });
});
