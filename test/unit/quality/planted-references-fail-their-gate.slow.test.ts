import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkReference, REFERENCE } from '../../../tools/reference/reference.ts';
import { PROJECT, withPlantedProject } from '../../functions/deploy/planted-project.ts';
import { withMigratedCopy } from '../../support/migrated-copy.ts';

test('a page of the reference that is not that of the sources is found, and a function that it lacks', async () => {
  await withPlantedProject(async ({ directory, write, append }) => {
    await cp(join(PROJECT, REFERENCE), join(directory, REFERENCE), { recursive: true });
    await write('package.json', await readFile(join(PROJECT, 'package.json'), 'utf8'));
    await write(
      'docs/guides/planted.md',
      'Call `push.cancel()`, `push.tick()` or `push.no_function_of_ours()`.\n',
    );
    const lacking = `docs/guides/planted.md names push.tick(), which ${REFERENCE} leaves out: end its comment with "For the database owner."`;
    // Alone: the pages are those of the sources.
    expect(await checkReference(directory, withMigratedCopy)).toEqual([lacking]);
    await write(
      'supabase/migrations/20990101000000_planted.sql',
      `comment on column push.settings.app_url is 'Planted.';
       comment on function public.push_unread_count() is 'Planted.';
       comment on function push.unwatch(text) is 'Internal now.';
       comment on table public.push_topics is 'Planted.';`,
    );
    await append(
      'supabase/schemas/00_base/alarms.sql',
      "\ncreate function push.planted() returns void language plpgsql as $$ begin perform push.refuse(400, 'planted', 'No.', 'Yes.'); end $$;\n",
    );
    await write(`${REFERENCE}/openapi.json`, '{}');
    expect(await checkReference(directory, withMigratedCopy)).toEqual([
      ...['README.md', 'sql.md', 'rpc.md', 'tables.md', 'settings.md', 'errors.md', 'openapi.json'].map(
        (page) => `${REFERENCE}/${page} is out of date. Run: npm run reference`,
      ),
      lacking,
    ]);
  });
});
