import { createHash } from 'node:crypto';
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyProject, isCopied } from '../../tools/quality/project-copy.ts';
import { basicEnvironment, runProgram } from '../../tools/quality/run-program.ts';
import { withTemporaryFolder } from '../../tools/quality/temporary-folder.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE = join(PROJECT, 'node_modules', '.cache', 'supapush');
const NOT_PACKED = new Set(['test', 'dist']);

/** Runs a program with nothing of ours in its environment, and npm's cache in `home`; what it printed. Rejects when it fails. */
export async function runIn(home: string, command: string, args: string[], cwd: string): Promise<string> {
  const environment = {
    ...basicEnvironment(),
    npm_config_cache: join(home, 'npm'),
    npm_config_update_notifier: 'false',
  };
  const result = await runProgram(command, args, { cwd, environment });
  if (result.exitCode !== 0) throw new Error(result.output);
  return result.stdout;
}

/**
 * Packs a copy of the project by `npm pack`, which builds it, and puts the archive into `home`; its path. Packed once for each state
 * of the project and kept beside the packages: what it is asked afterwards takes less time.
 */
export async function packProject(home: string): Promise<string> {
  const name = `packed-${await fingerprint()}`;
  await mkdir(CACHE, { recursive: true });
  const kept = (await readdir(CACHE)).filter((entry) => entry.startsWith('packed-'));
  if (!kept.includes(name)) {
    const beside = await mkdtemp(join(CACHE, 'making-'));
    try {
      await packAnew(beside);
      // Another file of tests may have been faster.
      await rename(beside, join(CACHE, name)).catch(() => undefined);
    } finally {
      for (const folder of [beside, ...kept.map((entry) => join(CACHE, entry))])
        await rm(folder, { recursive: true, force: true });
    }
  }
  const [archive = ''] = await readdir(join(CACHE, name));
  await copyFile(join(CACHE, name, archive), join(home, archive));
  return join(home, archive);
}

async function packAnew(target: string): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    const project = join(folder, 'project');
    await copyProject(PROJECT, project);
    await symlink(join(PROJECT, 'node_modules'), join(project, 'node_modules'));
    // What is left from another build is not to be shipped.
    await mkdir(join(project, 'dist'), { recursive: true });
    await writeFile(join(project, 'dist/left-over.js'), '');
    await runIn(folder, 'npm', ['pack', '--silent', '--offline', '--pack-destination', target], project);
  });
}

/** Of all files that are copied but the tests, which no archive has. */
async function fingerprint(): Promise<string> {
  const hash = createHash('sha256');
  for (const entry of (await readdir(PROJECT)).sort()) {
    const path = join(PROJECT, entry);
    if (!isCopied(path) || NOT_PACKED.has(entry)) continue;
    const files = (await stat(path)).isDirectory() ? await readdir(path, { recursive: true }) : [''];
    for (const file of files.sort()) {
      const content = await readFile(join(path, file)).catch(() => '');
      hash.update(`${entry}/${file}\0`).update(content);
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/** Installs a packed package into an app by npm, with the checkout's packages in place of a registry's. */
export async function installPackage(home: string, archive: string, app: string): Promise<void> {
  const { dependencies } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const folders = Object.keys(dependencies).map((name) => join(PROJECT, 'node_modules', name));
  const options = ['--offline', '--legacy-peer-deps', '--no-audit', '--ignore-scripts', '--install-links'];
  await runIn(home, 'npm', ['install', ...options, ...folders, archive], app);
}
