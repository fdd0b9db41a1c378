import { expect, test } from 'vitest';
import { verifyMigrations } from '../../../tools/deploy/verify-deploy.ts';
import { withPlantedProject } from './planted-project.ts';

async function problemsWith(path: string, text: string): Promise<string> {
  return await withPlantedProject(async (project) => {
    await project.write(path, text);
    const results = await verifyMigrations(project.directory);
    return results.flatMap(({ problems }) => problems).join('\n');
  });
}

test('a migration that only a superuser could apply fails with the error of Postgres', async () => {
  const problems = await problemsWith(
    'supabase/migrations/20990101000000_planted.sql',
    "alter system set work_mem = '8MB';\n",
  );
  expect(problems).toContain('permission denied to set parameter "work_mem"');
});

test('a migration whose name the CLI skips is found missing', async () => {
  const problems = await problemsWith('supabase/migrations/planted.sql', 'select 1;\n');
  expect(problems).toContain('planted.sql was not applied');
});
