import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { basicEnvironment, runProgram } from '../../tools/quality/run-program.ts';
import { codeBlocksOf } from './code-blocks.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Writes the test that a page shows into an app that has installed the package, checks its types there as a strict app with
 * `nodenext` does, and runs it by Node's own test runner. What that printed; rejects when it fails.
 */
export async function runPageTest(page: string, app: string, databaseUrl: string): Promise<string> {
  const blocks = codeBlocksOf(page, await readFile(join(PROJECT, page), 'utf8'));
  const text = blocks.find((block) => /^\/\/ test\/\S+\.test\.ts\n/.test(block.text))?.text;
  if (text === undefined) throw new Error(`${page} shows no test.`);
  await mkdir(join(app, 'test'), { recursive: true });
  await mkdir(join(app, 'node_modules/@types'), { recursive: true });
  await symlink(join(PROJECT, 'node_modules/@types/node'), join(app, 'node_modules/@types/node'));
  await symlink(join(PROJECT, 'node_modules/undici-types'), join(app, 'node_modules/undici-types'));
  // It is JavaScript as well, so that a Node runs it that strips no types.
  await writeFile(join(app, 'test/push.test.ts'), text);
  await writeFile(join(app, 'test/push.test.js'), text);
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const options = '--strict --noEmit --target es2022 --module nodenext --lib es2023,dom --types node';
  await run(app, [tsc, ...options.split(' '), 'test/push.test.ts']);
  return await run(app, ['--test', 'test/push.test.js'], { SUPABASE_DB_URL: databaseUrl });
}

async function run(cwd: string, args: string[], more: Record<string, string> = {}): Promise<string> {
  const environment = { ...basicEnvironment(), ...more };
  const { exitCode, output } = await runProgram(process.execPath, args, { cwd, environment });
  if (exitCode !== 0) throw new Error(output);
  return output;
}
