import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { runProgram, startProgram } from '../../../tools/quality/run-program.ts';
import { isolatedEnvironment } from '../../../tools/quality/supabase-cli.ts';
import { eventually } from '../../support/eventually.ts';
import { type QuickStart, readQuickStart } from '../../support/quick-start.ts';
import { PROJECT } from './recipes.ts';

const PAGE = 'docs/start/frameworks.md';

/** An app of a framework, made and built as its section of the page says. */
export interface Framework {
  name: string;
  heading: string;
  /** What is there to do in it: the buttons that turn notifications on and send a test, in their order. */
  buttons: string[];
  /** Files of the quick start that the section goes by. */
  quickStart: string[];
  /** The line that serves what was built, on a port. */
  serve: (port: number) => string;
}

export const FRAMEWORKS: Framework[] = [
  {
    name: 'next',
    heading: '## Next.js (App Router)',
    buttons: ['Turn on', 'Send a test'],
    quickStart: [],
    serve: (port) => `npm run start -- --port ${port}`,
  },
  {
    name: 'vue',
    heading: '## Vue',
    buttons: ['Turn on notifications', 'Send a test'],
    quickStart: ['.env.local', 'src/push.ts'],
    serve: (port) => `npm run preview -- --port ${port}`,
  },
  {
    name: 'svelte-kit',
    heading: '## SvelteKit',
    buttons: ['Turn on notifications', 'Send a test'],
    quickStart: [],
    serve: (port) => `npm run preview -- --port ${port}`,
  },
];

/** A framework's app in a folder of its own. */
export interface FrameworkApp {
  readonly folder: string;
  /** Runs a line as its owner types it; what it printed on stdout. Rejects with all that it printed when it fails. */
  run(line: string): Promise<string>;
  git(line: string): Promise<string>;
  /** Serves what was built; its address. */
  serve(): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Makes an app of a framework by the commands of its section, up to `supapush init`, with packages of the registry, and commits it
 * before.
 *
 * @param home a folder in which `user` stands in for the user's own, and `npm` is npm's cache
 * @param values of the project: its address and publishable key
 */
export async function makeFrameworkApp(
  home: string,
  framework: Framework,
  { archive, url, key }: { archive: string; url: string; key: string },
): Promise<FrameworkApp> {
  const section = await readQuickStart(PAGE, framework.heading);
  const quickStart = await readQuickStart('docs/start/frontend.md', '## In five minutes');
  const parent = join(home, framework.name);
  const folder = join(parent, 'my-app');
  const environment = {
    ...isolatedEnvironment(join(home, 'user')),
    npm_config_cache: join(home, 'npm'),
    npm_config_update_notifier: 'false',
    npm_config_yes: 'true',
    NEXT_TELEMETRY_DISABLED: '1',
  };
  const runIn = async (cwd: string, line: string): Promise<string> => {
    const { exitCode, stdout, output } = await runProgram('sh', ['-c', line], { cwd, environment });
    if (exitCode !== 0) throw new Error(`${line}\n${output}`);
    return stdout;
  };
  const run = (line: string) => runIn(folder, line);
  const git = (line: string) => run(`git -c user.name=Anna -c user.email=anna@example.com ${line}`);
  const [create = '', install = '', init = '', ...others] = section.commands;
  if (!/^npm install \.\/supapush-/.test(install) || init !== 'npx supapush init' || others.length > 0)
    throw new Error(`${framework.heading} has other commands: ${section.commands.join('; ')}`);

  await mkdir(parent, { recursive: true });
  await runIn(parent, create);
  for (const [path, text] of filesOf(section, quickStart, framework))
    await write(join(folder, path), text.replace('http://127.0.0.1:…', url).replace('sb_publishable_…', key));
  for (const [path, text] of Object.entries(PROJECT))
    if (path.startsWith('supabase/')) await write(join(folder, path), text);
  await copyFile(archive, join(folder, basename(archive)));
  await run(install);
  await git('init --quiet');
  await git('add --all');
  await git("commit --quiet --message 'An app'");
  await run(`${init} --yes`);

  let server: ReturnType<typeof startProgram> | undefined;
  return {
    folder,
    run,
    git,
    async serve() {
      const port = await freePort();
      const origin = `http://localhost:${port}`;
      server = startProgram('sh', ['-c', framework.serve(port)], { cwd: folder, environment });
      const ended = server.ended.then(({ output }) => {
        throw new Error(output);
      });
      const answers = eventually(
        () =>
          fetch(`${origin}/sw.js`).then(
            ({ status }) => status,
            () => 0,
          ),
        (status) => status === 200,
        60_000,
      );
      await Promise.race([answers, ended]);
      ended.catch(() => undefined);
      return origin;
    },
    async stop() {
      server?.end();
      await server?.ended.catch(() => undefined);
    },
  };
}

function filesOf(section: QuickStart, quickStart: QuickStart, framework: Framework): [string, string][] {
  const shared = framework.quickStart.map((path): [string, string] => [
    path,
    quickStart.files.get(path) ?? '',
  ]);
  return [...shared, ...section.files];
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
