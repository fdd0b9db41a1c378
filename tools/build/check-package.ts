import { readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { checkPackage as checkExports, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { copyProject } from '../quality/project-copy.ts';
import { basicEnvironment, runProgram } from '../quality/run-program.ts';
import { withTemporaryFolder } from '../quality/temporary-folder.ts';

/** Exports that are no modules. */
const FILES = ['./react.css', './sw.js', './package.json'];

/** Packs a copy of the project, which builds it, and looks at the package that apps would get. Returns what is wrong. */
export function checkPackage(project: string): Promise<string[]> {
  return withTemporaryFolder(async (folder) => {
    const copy = join(folder, 'project');
    await copyProject(project, copy);
    await symlink(join(project, 'node_modules'), join(copy, 'node_modules'));
    return await checkPacked(copy, folder);
  });
}

/** Packs a folder, and says what publint, arethetypeswrong and `npm publish --dry-run` say. `home` gets the archive and npm's notes. */
export async function checkPacked(project: string, home: string): Promise<string[]> {
  const packed = await npm(home, project, ['pack', '--silent', '--pack-destination', home]);
  if (packed.exitCode !== 0) return [`npm pack failed:\n${packed.output.trim()}`];
  const [archive = ''] = (await readdir(home)).filter((name) => name.endsWith('.tgz'));
  const data = await readFile(join(home, archive));
  const tarball = new Uint8Array(data).buffer;
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
  const said = messages.map((message) => `publint: ${formatMessage(message, pkg)}`);

  const { problems = [] } = (await checkExports(createPackageFromTarballData(data), {
    excludeEntrypoints: FILES,
  })) as { problems?: { kind: string; entrypoint?: string; resolutionKind?: string }[] };
  const wrong = problems
    // The package is ESM alone: require() gets it from Node 20.19 on, and import() always.
    .filter(({ kind }) => kind !== 'CJSResolvesToESM')
    .map(({ kind, entrypoint, resolutionKind }) =>
      ['arethetypeswrong:', kind, entrypoint, resolutionKind].filter(Boolean).join(' '),
    );

  const published = await npm(home, project, ['publish', '--dry-run', '--ignore-scripts']);
  // npm corrects what it does not like in a manifest, and publishes something else than what is written.
  const warned = published.output
    .split('\n')
    .filter((line) => /^npm warn publish (?!.*logged in)/.test(line));
  const refused =
    published.exitCode !== 0
      ? [`npm publish: ${published.output.trim()}`]
      : warned.map((line) => `npm publish: ${line}`);
  return [...said, ...wrong, ...refused];
}

/** Runs npm with a cache of its own and no registry. */
function npm(home: string, cwd: string, args: string[]) {
  return runProgram('npm', [...args, '--offline', '--registry', 'http://127.0.0.1:9'], {
    cwd,
    environment: {
      ...basicEnvironment(),
      npm_config_cache: join(home, 'npm'),
      npm_config_update_notifier: 'false',
    },
  });
}
