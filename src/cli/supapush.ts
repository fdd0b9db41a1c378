#!/usr/bin/env node
import { SupapushError } from '../shared/errors.ts';
import type { Command } from './command.ts';
import { runCommand } from './run-command.ts';

/** What a command does, and where it is. A command is loaded when it is called: `--help` has to answer at once. */
const COMMANDS: Record<string, { does: string; load: () => Promise<{ command: Command }> }> = {
  init: {
    does: 'puts Supapush into the Supabase project of this folder',
    load: () => import('./init.ts'),
  },
  upgrade: {
    does: 'brings the project of this folder to the release of this package',
    load: () => import('./upgrade.ts'),
  },
  dev: {
    does: 'runs the project of this folder on this machine, without Docker',
    load: () => import('./dev.ts'),
  },
  secrets: {
    does: 'makes the secrets of the Edge Functions, and keeps those that exist',
    load: () => import('./secrets.ts'),
  },
  connect: {
    does: 'tells the database how to call the functions',
    load: () => import('./connect.ts'),
  },
  vapid: {
    does: 'shows, rotates and retires the VAPID key pairs',
    load: () => import('./vapid.ts'),
  },
  doctor: {
    does: 'looks at folder, database, functions and app, and says what is wrong',
    load: () => import('./doctor.ts'),
  },
  status: {
    does: 'shows the queue, push services, jobs and alarms',
    load: () => import('./status.ts'),
  },
  send: {
    does: 'sends a user or a device a message, and says what became of it',
    load: () => import('./send.ts'),
  },
  inspect: {
    does: 'shows the bytes that devices would get, and what would hold them back',
    load: () => import('./inspect.ts'),
  },
  worker: {
    does: 'sends what waits in a process of your own, instead of push-dispatch',
    load: () => import('./worker.ts'),
  },
  uninstall: {
    does: 'takes Supapush out of the project, and says first what goes',
    load: () => import('./uninstall.ts'),
  },
};

const USAGE = `Usage: supapush <command> [options]

${Object.entries(COMMANDS)
  .map(([name, { does }]) => `  ${name.padEnd(11)}${does}`)
  .join('\n')}

  supapush <command> --help    the options of a command
  supapush --version           the version of this package

Exit codes: 0 done, 1 failed, 2 called wrongly.`;

const [name = '', ...args] = process.argv.slice(2);
const known = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (known === undefined) {
  await runCommand(USAGE, () => answer(name));
} else {
  const { command } = await known.load();
  await runCommand(command.usage, async () =>
    args.includes('--help') || args.includes('-h') ? command.usage : await command.run(args),
  );
}

async function answer(asked: string): Promise<string> {
  if (['--help', '-h', 'help'].includes(asked)) return USAGE;
  if (['--version', '-v'].includes(asked)) {
    const { packageVersion } = await import('./package-version.ts');
    return await packageVersion();
  }
  throw new SupapushError('usage', asked === '' ? 'Say which command.' : `There is no command ${asked}.`);
}
