import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findEdgeFunctions } from '../../../tools/local/functions/edge-function.ts';
import { readLocalConfig } from '../../../tools/local/local-config.ts';
import { runProgram } from '../../../tools/quality/run-program.ts';
import { PROJECT } from './planted-project.ts';

test('every function of this project deploys, starts and answers, and its migrations apply', async () => {
  const { FORCE_COLOR: _, ...environment } = process.env as Record<string, string>;
  const { exitCode, output } = await runProgram('npm', ['run', 'verify:deploy', '--', '--verbose'], {
    cwd: PROJECT,
    environment,
  });
  expect(exitCode, output).toBe(0);
  const lines = output.split('\n').map((line) => line.trim());
  expect(lines.filter((line) => line.startsWith('✗'))).toEqual([]);
  const functions = await findEdgeFunctions(await readLocalConfig(PROJECT));
  expect(functions.length).toBeGreaterThan(0);
  for (const { name } of functions) {
    expect(lines.filter((line) => line.startsWith(`✓ ${name}: `))).toHaveLength(2);
  }
  // The real CLI was at work: it names what it does.
  for (const file of await readdir(join(PROJECT, 'supabase', 'migrations'))) {
    expect(lines).toContainEqual(expect.stringContaining(`Applying migration ${file}...`));
  }
});
