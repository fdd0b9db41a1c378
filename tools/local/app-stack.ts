import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AppStack, AppStackOptions, SkippedStatement } from '../../src/cli/dev/app-stack.ts';
import { readFunctionSecrets } from './functions/function-secrets.ts';
import { legacyKeys } from './functions/user-jwt.ts';
import { type LocalConfig, readLocalConfig } from './local-config.ts';
import { startStack } from './stack.ts';

/** Long enough for functions with few imports; others go on starting. */
const FUNCTION_PATIENCE_MS = 30_000;

/** What is loaded with the server or not at all; only for projects that use it. */
const PRELOADED = ['pg_stat_statements'];

/**
 * Starts a local stack around the project of an app, which ends in order on SIGINT, SIGTERM and SIGHUP: with the secrets of its
 * functions, and without stopping at what only concerns one of them.
 *
 * @throws `LocalStackError`, `LocalConfigError`
 */
export async function startAppStack(options: AppStackOptions): Promise<AppStack> {
  const config = await readLocalConfig(options.projectDirectory);
  const { secrets, notes: aboutSecrets } = await readFunctionSecrets(config);
  const skipped: SkippedStatement[] = [];
  const stack = await startStack({
    projectDirectory: options.projectDirectory,
    stateDirectory: options.stateDirectory,
    reset: options.reset,
    ports: options.ports,
    quoteServer: options.quoteServer,
    secrets,
    preload: await preloaded(config),
    lenient: {
      ...(options.skipMissing && { onSkipped: (statement) => void skipped.push(statement) }),
      functionPatienceMs: FUNCTION_PATIENCE_MS,
      functionImports: options.functionImports,
      configuredPorts: true,
    },
    log: options.log,
    onFunctionLog: options.onFunctionLog,
    handleSignals: true,
  });
  const { SUPABASE_ANON_KEY: anonKey, SUPABASE_SERVICE_ROLE_KEY: serviceRoleKey } = legacyKeys(
    stack.jwtSecret,
  );
  return {
    url: stack.url,
    publishableKey: stack.publishableKey,
    secretKey: stack.secretKey,
    anonKey,
    serviceRoleKey,
    jwtSecret: stack.jwtSecret,
    databaseUrl: stack.databaseUrl,
    superuserDatabaseUrl: stack.superuserDatabaseUrl,
    pushServiceUrl: stack.pushServiceUrl,
    quoteServerUrl: stack.quoteServerUrl,
    vapidPublicKey: stack.vapidPublicKey,
    functions: stack.functionStates,
    skipped,
    notes: [...aboutSecrets, ...aboutConfig(config)],
    stop: stack.stop,
  };
}

async function preloaded({ supabaseDirectory }: LocalConfig): Promise<string[]> {
  const folder = join(supabaseDirectory, 'migrations');
  const files = existsSync(folder) ? await readdir(folder) : [];
  const texts = await Promise.all(
    files.filter((name) => name.endsWith('.sql')).map((name) => readFile(join(folder, name), 'utf8')),
  );
  return PRELOADED.filter((library) => texts.some((text) => text.includes(library)));
}

function aboutConfig({ api, database }: LocalConfig): string[] {
  const version =
    database.majorVersion === 17
      ? []
      : [`config.toml says PostgreSQL ${database.majorVersion}; the local one is 17.`];
  const open = api.exposeNewTables
    ? [
        'New tables of schema public are open to the Data API without a grant, as under the Supabase CLI; on hosted projects they are not. ' +
          'To have it so here: [api] auto_expose_new_tables = false, then --reset.',
      ]
    : [];
  return [...version, ...open];
}
