import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import type { AppStack } from '../../src/cli/dev/app-stack.ts';
import { readCloneDevOptions } from '../../src/cli/dev/options.ts';
import { problemsOf } from '../../src/cli/dev/report.ts';
import { reasonOf } from '../../src/cli/run-command.ts';
import { columns, styled } from '../../src/cli/terminal.ts';
import { SupapushError } from '../../src/shared/errors.ts';
import { startAppStack } from '../local/app-stack.ts';
import { LocalConfigError } from '../local/local-config.ts';
import { LocalStackError } from '../local/local-stack-error.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

const USAGE = `Usage: npm run dev -- [options]

Runs the local stack until Ctrl-C: PostgreSQL, the Data API and auth server, Edge Functions, pg_net and pg_cron,
a push service, and a source of quotes. Its database and keys are kept in .supapush/dev; new migrations are applied on start.
Without --project it also serves a page to try everything with, and puts what that needs into the database (examples/crm).

  --json                 print one line of JSON on stdout when ready, everything else on stderr
  --reset                start with an empty database and new keys
  --skip-missing         leave out the statements of migrations and seeds that need an extension which is not there, and every
                         statement that names something that is not there; each is listed
  --port <n>             port of the API and the functions
  --database-port <n>    port of PostgreSQL
  --push-port <n>        port of the push service
  --page-port <n>        port of the page (5190, where that is free)
  --no-page              without the page, and without its tables
  --project <folder>     the folder with supabase/ in it (this project)
  --help                 this text

Ports are those of config.toml or free ones on the first start, and the same ones later, unless given.
Exit codes: 0 stopped (Ctrl-C, SIGTERM, SIGHUP), 1 failed, 2 wrong usage.
`;

/** The line of `--json`: what other programs need to drive the stack, and nothing else. */
const READY_KEYS = [
  'url',
  'publishableKey',
  'secretKey',
  'databaseUrl',
  'superuserDatabaseUrl',
  'pushServiceUrl',
  'quoteServerUrl',
  'vapidPublicKey',
] as const satisfies (keyof AppStack)[];

async function main(args: string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(USAGE);
    return;
  }
  const options = readCloneDevOptions(args);
  const project = options.project ?? PROJECT;
  const say = (line: string) => console.error(styleText('dim', line, { stream: process.stderr }));
  const stack = await startAppStack({
    projectDirectory: project,
    stateDirectory: join(project, '.supapush', 'dev'),
    reset: options.reset,
    skipMissing: options.skipMissing,
    ports: options.ports,
    quoteServer: true,
    // The functions of the clone use its packages.
    functionImports: options.project === undefined ? 'project' : 'anywhere',
    log: say,
    onFunctionLog: ({ function: name, line }) => console.error(`${name}: ${line}`),
  });
  const pageUrl = options.page ? await startPage(stack, options.pagePort) : undefined;
  const ready = Object.fromEntries(READY_KEYS.map((key) => [key, stack[key]]));
  if (options.json) for (const line of problemsOf(stack)) say(line);
  console.log(
    options.json ? JSON.stringify({ ...ready, ...(pageUrl && { pageUrl }) }) : describe(stack, pageUrl),
  );
}

/** The address of the page. Vite builds it, and is loaded only for that. */
async function startPage(stack: AppStack, port: number | undefined): Promise<string> {
  try {
    const { startDemoPage } = await import('../demo/demo-page.ts');
    return (await startDemoPage(stack, { port })).url;
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

function describe(stack: AppStack, pageUrl: string | undefined): string {
  const functions = stack.functions.map(({ name }) => `${stack.url}/functions/v1/${name}`);
  const rows: [string, string][] = [
    ...(pageUrl ? [['Page', pageUrl] satisfies [string, string]] : []),
    ['API URL', stack.url],
    ['Publishable key', stack.publishableKey],
    ['Secret key', stack.secretKey],
    ['Database', stack.databaseUrl],
    ['  as superuser', stack.superuserDatabaseUrl],
    ['Push service', stack.pushServiceUrl],
    ['Quotes', `${stack.quoteServerUrl}/json?symbols=DAX,BTC`],
    ['VAPID public key', stack.vapidPublicKey],
    ['Functions', functions[0] ?? 'none'],
    ...functions.slice(1).map((url): [string, string] => ['', url]),
  ];
  const table = columns(rows, (cell, _, column) => (column === 0 ? styled('dim', cell) : cell));
  return [
    ...problemsOf(stack),
    '',
    styled('bold', 'The local stack is running.'),
    '',
    ...table.map((line) => `  ${line}`),
    '',
    styled('bold', 'Try'),
    ...(pageUrl ? [`  ${pageUrl}   in a browser: notifications, inbox, settings and alerts`] : []),
    `  psql '${stack.databaseUrl}'`,
    `  curl '${stack.url}/functions/v1/push-dispatch'   tells whether the function is ready`,
    '  npm run demo                 the whole way of a notification, on a stack of its own',
    '  npm run dev -- --reset       start over with an empty database',
    '',
    `${styled('bold', 'For your frontend')} (docs/start/frontend.md), in its .env.local where Vite builds it`,
    `  VITE_SUPABASE_URL=${stack.url}`,
    `  VITE_SUPABASE_PUBLISHABLE_KEY=${stack.publishableKey}`,
    '',
    styled('dim', 'Ctrl-C stops it; the database is kept.'),
  ].join('\n');
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const wrongCall =
    (error instanceof SupapushError && error.code === 'usage') ||
    (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));
  if (wrongCall) {
    console.error(`${reasonOf(error)}\n\n${USAGE}`);
    process.exitCode = 2;
  } else {
    // What the person at the terminal can act on needs no stack trace.
    const expected = error instanceof LocalStackError || error instanceof LocalConfigError;
    console.error(expected ? error.message : error);
    process.exitCode = 1;
  }
}
