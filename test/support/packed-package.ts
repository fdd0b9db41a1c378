import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyProject } from '../../tools/quality/project-copy.ts';
import { basicEnvironment, runProgram } from '../../tools/quality/run-program.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

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

/** Packs a copy of the project into `home` by `npm pack`, which builds it; the path of the archive. */
export async function packProject(home: string): Promise<string> {
  const project = join(home, 'project');
  await copyProject(PROJECT, project);
  await symlink(join(PROJECT, 'node_modules'), join(project, 'node_modules'));
  // What is left from another build is not to be shipped.
  await mkdir(join(project, 'dist'), { recursive: true });
  await writeFile(join(project, 'dist/left-over.js'), '');
  await runIn(home, 'npm', ['pack', '--silent', '--offline', '--pack-destination', home], project);
  const [archive = ''] = (await readdir(home)).filter((name) => name.endsWith('.tgz'));
  return join(home, archive);
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
