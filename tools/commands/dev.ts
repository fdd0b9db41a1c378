import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, styleText } from 'node:util';
import { LocalConfigError } from '../local/local-config.ts';
import { LocalStackError } from '../local/local-stack-error.ts';
import { type Stack, type StackAddress, startStack } from '../local/stack.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

const USAGE = `Usage: npm run dev -- [options]

Runs the local stack until Ctrl-C: PostgreSQL, the Data API and auth server, Edge Functions, pg_net and pg_cron,
a push service, and a source of quotes. Its database and keys are kept in .supapush/dev; new migrations are applied on start.
Without --project it also serves a page to try everything with, and puts what that needs into the database (examples/crm).

  --json                 print one line of JSON on stdout when ready, everything else on stderr
  --reset                start with an empty database and new keys
  --port <n>             port of the API and the functions
  --database-port <n>    port of PostgreSQL
  --push-port <n>        port of the push service
  --page-port <n>        port of the page (5190, where that is free)
  --no-page              without the page, and without its tables
  --project <folder>     the folder with supabase/ in it (this project)
  --help                 this text

Ports are free ones on the first start and the same ones later, unless given.
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
] as const satisfies (keyof StackAddress)[];

class UsageError extends Error {}

async function main(): Promise<void> {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) {
    process.stdout.write(USAGE);
    return;
  }
  const stack = await startStack({
    projectDirectory: flags.project,
    stateDirectory: join(flags.project, '.supapush', 'dev'),
    reset: flags.reset,
    ports: flags.ports,
    quoteServer: true,
    log: (line) => console.error(styleText('dim', line, { stream: process.stderr })),
    onFunctionLog: ({ function: name, line }) => console.error(`${name}: ${line}`),
    handleSignals: true,
  });
  const pageUrl = flags.page ? await startPage(stack, flags.ports.page) : undefined;
  const ready = Object.fromEntries(READY_KEYS.map((key) => [key, stack[key]]));
  console.log(
    flags.json ? JSON.stringify({ ...ready, ...(pageUrl && { pageUrl }) }) : describe(stack, pageUrl),
  );
}

/** The address of the page. Vite builds it, and is loaded only for that. */
async function startPage(stack: Stack, port: number | undefined): Promise<string> {
  try {
    const { startDemoPage } = await import('../demo/demo-page.ts');
    return (await startDemoPage(stack, { port })).url;
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

interface Flags {
  help: boolean;
  json: boolean;
  reset: boolean;
  project: string;
  page: boolean;
  ports: Record<'gateway' | 'database' | 'pushService' | 'page', number | undefined>;
}

function readFlags(args: string[]): Flags {
  const { values } = parse(args);
  return {
    help: values.help ?? false,
    json: values.json ?? false,
    reset: values.reset ?? false,
    project: values.project ?? PROJECT,
    page: values.project === undefined && !values['no-page'],
    ports: {
      gateway: readPort('port', values.port),
      database: readPort('database-port', values['database-port']),
      pushService: readPort('push-port', values['push-port']),
      page: readPort('page-port', values['page-port']),
    },
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        json: { type: 'boolean' },
        reset: { type: 'boolean' },
        port: { type: 'string' },
        'database-port': { type: 'string' },
        'push-port': { type: 'string' },
        'page-port': { type: 'string' },
        'no-page': { type: 'boolean' },
        project: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readPort(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
    throw new UsageError(`--${flag} needs a port between 1 and 65535, not "${text}"`);
  }
  return port;
}

function describe(stack: Stack, pageUrl: string | undefined): string {
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    styleText(format, text, { stream: process.stdout });
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
    [
      'Functions',
      stack.functions?.names.map((name) => `${stack.url}/functions/v1/${name}`).join('\n') || 'none',
    ],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  const table = rows.flatMap(([name, value]) =>
    value.split('\n').map((line, index) => `  ${style('dim', (index ? '' : name).padEnd(width))}${line}`),
  );
  return [
    '',
    style('bold', 'The local stack is running.'),
    '',
    ...table,
    '',
    style('bold', 'Try'),
    ...(pageUrl ? [`  ${pageUrl}   in a browser: notifications, inbox, settings and alerts`] : []),
    `  psql '${stack.databaseUrl}'`,
    `  curl '${stack.url}/functions/v1/push-dispatch'   tells whether the function is ready`,
    '  npm run demo                 the whole way of a notification, on a stack of its own',
    '  npm run dev -- --reset       start over with an empty database',
    '',
    `${style('bold', 'For your frontend')} (docs/start/frontend.md), in its .env.local where Vite builds it`,
    `  VITE_SUPABASE_URL=${stack.url}`,
    `  VITE_SUPABASE_PUBLISHABLE_KEY=${stack.publishableKey}`,
    '',
    `${style('dim', 'Ctrl-C stops it; the database is kept.')}`,
  ].join('\n');
}

try {
  await main();
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  } else {
    // What the person at the terminal can act on needs no stack trace.
    const expected = error instanceof LocalStackError || error instanceof LocalConfigError;
    console.error(expected ? error.message : error);
    process.exitCode = 1;
  }
}
