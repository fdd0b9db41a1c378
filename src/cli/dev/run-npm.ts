import { spawn } from 'node:child_process';
import { DevError } from './dev-error.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs npm in a folder that is not part of an app. It ends when this process is told to end.
 *
 * @throws `packages_not_installed` with its last words
 */
export async function runNpm(cwd: string, args: string[]): Promise<void> {
  // npx puts the settings of the app's own npm into the environment, and this folder is not part of the app.
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^npm_(package|lifecycle|config_(prefix|local_prefix|workspaces?))/i.test(name),
  );
  const npm = spawn('npm', args, {
    cwd,
    env: { ...Object.fromEntries(inherited), NODE_ENV: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
    // There it is a script of the shell.
    shell: process.platform === 'win32',
  });
  let told: NodeJS.Signals | undefined;
  const end = (signal: NodeJS.Signals): void => {
    // A second time it is meant at once.
    npm.kill(told === undefined ? 'SIGTERM' : 'SIGKILL');
    told = signal;
  };
  for (const signal of SIGNALS) process.on(signal, end);
  const said: Buffer[] = [];
  for (const stream of [npm.stdout, npm.stderr]) stream.on('data', (part: Buffer) => said.push(part));
  const problem = await new Promise<string | undefined>((resolve) => {
    npm.once('error', (error) => resolve(error.message));
    npm.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : `npm ended with ${code ?? signal}.`),
    );
  });
  for (const signal of SIGNALS) process.off(signal, end);
  if (told !== undefined)
    throw new DevError(
      'packages_not_installed',
      `The packages of the local stack were not fetched: ${told}.`,
    );
  if (problem === undefined) return;
  const lines = Buffer.concat(said).toString('utf8').trim().split('\n').slice(-20).join('\n');
  throw new DevError(
    'packages_not_installed',
    `The packages of the local stack could not be fetched: ${problem}\n${lines}\nCall it again once npm can reach its registry.`,
  );
}
