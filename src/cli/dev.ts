import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from './command.ts';
import { loadStack } from './dev/load-stack.ts';
import { readDevOptions } from './dev/options.ts';
import { describeStack, problemsOf, statusOf } from './dev/report.ts';
import { findProject } from './init/find-project.ts';
import { callsOf } from './init/next-steps.ts';
import { BUNDLE_NAME } from './init/release.ts';
import { styled } from './terminal.ts';

const USAGE = `Usage: npx supapush dev [options]

Runs the Supabase project of this folder on this machine until Ctrl-C, without Docker and on 127.0.0.1 alone: PostgreSQL with your
migrations and seeds, the Data API and auth server, your Edge Functions, pg_net and pg_cron, and a push service. Then it prints the URL
and the keys. The database is kept in .supapush/dev; new migrations are applied on each start.

The first start fetches PostgreSQL, Deno and others by npm into .supapush/packages, and says so before. It needs node 22 or newer.

  --json                 print one line of JSON on stdout when ready, with the names of supabase status; all else on stderr
  --reset                start with an empty database and new keys
  --skip-missing         leave out the statements of migrations and seeds that need an extension which is not there, and every
                         statement that names something that is not there; each is listed
  --port <n>             port of the API and the functions (that of config.toml, where it is free)
  --database-port <n>    port of PostgreSQL
  --push-port <n>        port of the push service
  --workdir <folder>     where the project is, if not in this folder, above or below it

Exit codes: 0 stopped (Ctrl-C, SIGTERM, SIGHUP), 1 failed, 2 called wrongly.`;

async function run(args: string[]): Promise<string> {
  const options = readDevOptions(args);
  const project = await findProject(options.workdir ?? resolve('.'));
  const { root } = project;
  const say = (line: string) => void process.stderr.write(`${styled('dim', line)}\n`);
  const { startAppStack } = await loadStack(root, say);
  const stack = await startAppStack({
    projectDirectory: root,
    stateDirectory: join(root, '.supapush/dev'),
    reset: options.reset,
    skipMissing: options.skipMissing,
    ports: options.ports,
    quoteServer: false,
    functionImports: 'anywhere',
    log: say,
    onFunctionLog: ({ function: name, line }) => void process.stderr.write(`${name}: ${line}\n`),
  });
  if (!options.json) {
    const isThere = existsSync(join(root, 'supabase/functions/push-dispatch', BUNDLE_NAME));
    return describeStack(stack, isThere ? undefined : `${callsOf(project).run} supapush init`);
  }
  for (const line of problemsOf(stack)) say(line);
  return JSON.stringify(statusOf(stack));
}

export const command: Command = { usage: USAGE, run };
