import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readFunctionSecrets } from '../../../tools/local/functions/function-secrets.ts';
import { readLocalConfig } from '../../../tools/local/local-config.ts';

let project: string;
beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'supapush-secrets-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(project, { recursive: true, force: true });
});

async function secretsOf(files: Record<string, string>) {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(project, path)), { recursive: true });
    await writeFile(join(project, path), text);
  }
  return await readFunctionSecrets(await readLocalConfig(project));
}

test('a project without secrets has none', async () => {
  expect(await secretsOf({})).toEqual({ secrets: {}, notes: [] });
});

test('those of functions/.env come before those of config.toml, whose env() is looked up', async () => {
  vi.stubEnv('OF_SHELL', 'from the shell');
  const { secrets, notes } = await secretsOf({
    'supabase/config.toml':
      '[edge_runtime.secrets]\nA = "plain"\nB = "env(OF_SHELL)"\nC = "env(OF_PROJECT)"\nD = "env(OF_NOTHING)"\nE = "over"\n',
    'supabase/functions/.env': 'E=of the file\n# F=no\nG="two words"\n',
    '.env': 'OF_PROJECT=from .env\nSTRIPE_KEY=not for functions\n',
  });
  expect(secrets).toEqual({
    A: 'plain',
    B: 'from the shell',
    C: 'from .env',
    E: 'of the file',
    G: 'two words',
  });
  expect(notes).toEqual([expect.stringContaining('D (env(OF_NOTHING))')]);
});

test('names of the platform are not taken, and said; keys of production are not used here', async () => {
  const { secrets, notes } = await secretsOf({
    'supabase/functions/.env':
      'SUPABASE_URL=https://x.supabase.co\nVAPID_PUBLIC_KEY=a\nVAPID_PRIVATE_KEY=b\nPUSH_BELL_SECRET=c\nVAPID_SUBJECT=mailto:me@example.com\n',
  });
  expect(secrets).toEqual({ VAPID_SUBJECT: 'mailto:me@example.com' });
  expect(notes).toEqual([expect.stringContaining('SUPABASE_URL')]);
});
