import { expect, test } from 'vitest';
import { verifyFunctions } from '../../../tools/deploy/verify-deploy.ts';
import { ENTRYPOINT, type PlantedProject, withPlantedProject } from './planted-project.ts';

const HANDLER = 'src/server/functions/push-dispatch.ts';

const BESIDE = ['push-events', 'push-health', 'push-quotes'];

/**
 * The names of the steps that failed, and what they say. The functions beside the faulty one are left out unless `all` is
 * true: to deploy and start them takes most of the time.
 */
async function failuresOf(
  plant: (project: PlantedProject) => Promise<void>,
  { all = false } = {},
): Promise<Map<string, string>> {
  return await withPlantedProject(async (project) => {
    if (!all) await project.removeFunctions(BESIDE);
    await plant(project);
    const results = await verifyFunctions(project.directory);
    return new Map(
      results.filter(({ ok }) => !ok).map(({ name, problems }) => [name, problems.join('\n')] as const),
    );
  });
}

const COMPLETE = expect.stringMatching(/^push-dispatch: \d+ uploaded files are complete$/);
const STARTS = 'push-dispatch: starts from them and answers its health probe';
const DEPLOYS = 'supabase functions deploy --use-api';

test('a multi-line import of a default and names, which the CLI does not see, is found missing', async () => {
  const failures = await failuresOf(
    async (project) => {
      await project.write('src/planted.ts', 'export const named = 1;\nexport default 2;\n');
      await project.prepend(
        HANDLER,
        "import planted, {\n  named,\n} from '../../planted.ts';\nvoid [planted, named];\n",
      );
    },
    { all: true },
  );
  expect([...failures.keys()]).toEqual([COMPLETE, STARTS]);
  expect([...failures.values()][0]).toContain('src/planted.ts is imported, but was not uploaded');
});

test('a file imported only when it is needed is found missing, though the function starts without it', async () => {
  const failures = await failuresOf(async (project) => {
    await project.write('src/planted.ts', 'export const named = 1;\nexport default 2;\n');
    await project.append(HANDLER, '\nexport const late = () => import(`../../planted.ts`);\n');
  });
  expect([...failures.keys()]).toEqual([COMPLETE]);
  expect([...failures.values()][0]).toContain('src/planted.ts is imported, but was not uploaded');
});

test('a TypeScript file imported by the name of its JavaScript is found missing', async () => {
  const failures = await failuresOf(async (project) => {
    await project.write('src/planted.ts', 'export const named = 1;\n');
    await project.prepend(HANDLER, "import { named } from '../../planted.js';\nvoid named;\n");
  });
  expect([...failures.keys()]).toContain(STARTS);
  expect([...failures.values()].join('\n')).toContain('src/planted.js is imported, but was not uploaded');
});

test('a file that does not exist fails the deployment by the warning of the CLI', async () => {
  const failures = await failuresOf((project) =>
    project.prepend(HANDLER, "import { named } from '../nowhere.ts';\nvoid named;\n"),
  );
  expect(failures.get(DEPLOYS)).toMatch(/WARN.*nowhere\.ts/);
});

test('a package that deno.json does not name is found missing', async () => {
  const failures = await failuresOf((project) =>
    project.prepend(HANDLER, "import postgres from 'postgres';\nvoid postgres;\n"),
  );
  expect([...failures.keys()]).toEqual([COMPLETE, STARTS]);
  expect([...failures.values()][0]).toContain(
    'src/server/functions/push-dispatch.ts imports "postgres", which its import map does not name',
  );
});

test('a function that throws at start fails with what it says', async () => {
  const failures = await failuresOf((project) =>
    project.append(ENTRYPOINT, "\nthrow new Error('planted at start');\n"),
  );
  expect([...failures.keys()]).toEqual([STARTS]);
  expect(failures.get(STARTS)).toContain('planted at start');
});

test('a function that answers its probe with 500 fails', async () => {
  const failures = await failuresOf((project) =>
    project.write(ENTRYPOINT, "Deno.serve(() => Response.json({ status: 'ok' }, { status: 500 }));\n"),
  );
  expect([...failures.keys()]).toEqual([STARTS]);
  expect(failures.get(STARTS)).toContain('GET answered 500');
});

test('a function that answers 200 without saying that it is well fails', async () => {
  const failures = await failuresOf((project) =>
    project.write(ENTRYPOINT, "Deno.serve(() => new Response('hello'));\n"),
  );
  expect([...failures.keys()]).toEqual([STARTS]);
  expect(failures.get(STARTS)).toContain('without "status": "ok"');
});

test('a function that reads a file outside of what was uploaded fails', async () => {
  const failures = await failuresOf((project) =>
    project.append(ENTRYPOINT, `\nawait Deno.readTextFile('${project.directory}/deno.lock');\n`),
  );
  expect([...failures.keys()]).toEqual([STARTS]);
  expect(failures.get(STARTS)).toContain('NotCapable');
});

test('two functions are both deployed and each probed', async () => {
  const names = await withPlantedProject(async (project) => {
    await project.write('supabase/functions/push-second/deno.json', '{ "imports": {} }\n');
    await project.write(
      'supabase/functions/push-second/index.ts',
      "Deno.serve(() => Response.json({ status: 'ok' }));\n",
    );
    const results = await verifyFunctions(project.directory);
    expect(results.flatMap(({ problems }) => problems)).toEqual([]);
    return results.map(({ name }) => name.split(':')[0]);
  });
  expect(names).toEqual([
    DEPLOYS,
    'push-dispatch',
    'push-dispatch',
    'push-events',
    'push-events',
    'push-health',
    'push-health',
    'push-quotes',
    'push-quotes',
    'push-second',
    'push-second',
  ]);
});
