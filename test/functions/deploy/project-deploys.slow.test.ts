import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { verifyDeploy } from '../../../tools/deploy/verify-deploy.ts';
import { findEdgeFunctions } from '../../../tools/local/functions/edge-function.ts';
import { readLocalConfig } from '../../../tools/local/local-config.ts';
import { PROJECT } from './planted-project.ts';

test('every function of this project deploys, starts and answers, and its migrations apply', async () => {
  const said: string[] = [];
  const results = await verifyDeploy(PROJECT, {
    begins: () => undefined,
    says: (line) => said.push(line),
    ended: () => undefined,
  });

  expect(results.flatMap(({ problems }) => problems)).toEqual([]);
  const functions = await findEdgeFunctions(await readLocalConfig(PROJECT));
  expect(functions.length).toBeGreaterThan(0);
  for (const { name } of functions) {
    expect(results.filter((result) => result.name.startsWith(`${name}: `))).toHaveLength(2);
  }
  // The real CLI was at work: it names what it does.
  for (const file of await readdir(join(PROJECT, 'supabase', 'migrations'))) {
    expect(said).toContain(`Applying migration ${file}...`);
  }
});
