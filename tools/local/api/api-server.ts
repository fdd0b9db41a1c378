import { once } from 'node:events';
import { App, type HonoContext, type ServerOptions } from '@supabase/lite';
import { createPostgresConnection, type PostgresConnection } from '@supabase/lite/postgres';
import { legacyKeys } from '../functions/user-jwt.ts';
import type { LocalConfig } from '../local-config.ts';
import type { PostgresServer } from '../postgres/postgres-server.ts';
import { startSession, type Worker } from '../workers/worker-session.ts';
import { readBodiesAsPostgrest } from './body-values.ts';
import { withNewerKeys } from './legacy-keys.ts';
import { toPostgrestError } from './postgrest-error.ts';
import { postgrestTypes } from './postgrest-types.ts';
import { onBehalfOf, retryConflicts } from './retried-conflicts.ts';

export interface ApiServerOptions {
  config: LocalConfig;
  database: Pick<PostgresServer, 'url'>;
  /** Signs user sessions (HS256). */
  jwtSecret: string;
  publishableKey: string;
  secretKey: string;
  log?: ((line: string) => void) | undefined;
}

/** The Data API (`/rest/v1`, as PostgREST) and the auth server (`/auth/v1`, as GoTrue) of a stack. */
export interface ApiServer {
  fetch(request: Request): Promise<Response>;
  stop(): Promise<void>;
}

/** Serves a prepared database (`prepareSupabase`). */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { config, database } = options;
  // Reads the catalog.
  const admin = createPostgresConnection({
    url: database.url({ role: 'supabase_admin' }),
    postgresOptions: { max: 2, onnotice: () => undefined },
  });
  // Owns the tables of schema auth and is no superuser, as GoTrue connects.
  const authTables = createPostgresConnection({
    url: database.url({ role: 'supabase_auth_admin' }),
    postgresOptions: { max: 4, onnotice: () => undefined },
  });
  // May only become anon, authenticated or service_role, as PostgREST connects.
  const requests = createPostgresConnection({
    url: database.url({ role: 'authenticator' }),
    postgresOptions: {
      max: 10,
      types: postgrestTypes,
      onnotice: () => undefined,
      connection: {
        application_name: 'postgrest',
        search_path: [...new Set([...config.api.schemas, ...config.api.extraSearchPath])].join(', '),
      },
    },
  });
  keepGrants(requests);
  const { listener, forget } = await readCatalogAs(admin, requests, options);
  readBodiesAsPostgrest(requests);
  retryConflicts(requests);
  answerAsPostgrest(requests, options.log);

  const settings = {
    api: {
      enabled: true,
      schemas: config.api.schemas,
      max_rows: config.api.maxRows,
      anonymous_enabled: false,
      // As hosted projects, whose API sessions load safeupdate.
      pg_safe_update: true,
    },
    auth: {
      enabled: true,
      jwt_secret: options.jwtSecret,
      publishable_key: options.publishableKey,
      secret_key: options.secretKey,
      jwt_expiry: config.auth.jwtExpiry,
      enable_signup: config.auth.enableSignup,
      minimum_password_length: config.auth.minimumPasswordLength,
      site_url: config.auth.siteUrl,
      email: { enable_signup: config.auth.enableSignup, enable_confirmations: false },
    },
  };
  const server = { disableStudio: true, disableFallback: true, admin: false };
  const rest = new App({
    ...settings,
    // No auth server in this one, only its keys and its secret.
    auth: { ...settings.auth, enabled: false },
    connection: requests,
    options: { server: { ...server, middlewares: [believeSignedTokens] } },
  });
  const auth = new App({ ...settings, connection: authTables, options: { server } });
  await Promise.all([rest.init(), auth.init()]);

  const older = legacyKeys(options.jwtSecret);
  const keys = {
    publishableKey: options.publishableKey,
    secretKey: options.secretKey,
    anonKey: older.SUPABASE_ANON_KEY,
    serviceRoleKey: older.SUPABASE_SERVICE_ROLE_KEY,
  };
  return {
    async fetch(given) {
      const request = withNewerKeys(given, keys);
      if (new URL(request.url).pathname.startsWith('/auth/')) return await auth.fetch(request);
      const again = request.clone();
      return await onBehalfOf(request, async () => {
        const response = await rest.fetch(request);
        if (response.ok || !(await isUnknown(response.clone()))) return response;
        // What was made a moment ago: the notice of it may come after the request that counts on it.
        forget();
        return await rest.fetch(again);
      });
    },
    async stop() {
      await listener.stop();
      // What a slow query still does after this is cut off: a stop must not wait for it.
      await Promise.all([requests, authTables, admin].map(({ driver }) => driver.end({ timeout: 1 })));
    },
  };
}

/**
 * @supabase/lite looks up the user and the session of every token in schema auth, which `authenticator` may not
 * read. PostgREST believes a token by its signature alone until it expires.
 */
const believeSignedTokens: NonNullable<ServerOptions['middlewares']>[number] = async (context, next) => {
  const known = async () => ({});
  const authService: unknown = { repo: { findUserById: known, findSessionById: known } };
  context.set('authService', authService as HonoContext['Variables']['authService']);
  await next();
};

/**
 * @supabase/lite, on the first request to a database with RLS, grants ALL on every table of every schema that has
 * it to anon, authenticated and service_role. That would open private schemas and hide every missing grant, so it
 * never happens here.
 */
function keepGrants(connection: PostgresConnection): void {
  // A private method there. Should a newer version rename it, the test for a missing grant fails.
  Object.defineProperty(connection, 'ensureRlsContext', { value: async () => true });
}

/**
 * Reads the catalog as superuser (`authenticator` has no rights of its own, so information_schema shows it nothing),
 * once, and again after `notify pgrst`, which the event triggers of a Supabase project send after each DDL command.
 */
async function readCatalogAs(
  admin: PostgresConnection,
  requests: PostgresConnection,
  { database, log = () => undefined }: ApiServerOptions,
): Promise<{ listener: Worker; forget: () => void }> {
  let catalog: ReturnType<PostgresConnection['introspect']> | undefined;
  const read = async () => {
    const found = await admin.introspect({ useCache: false });
    // There it reports a failure as an empty database, which must not be remembered.
    if (found.tables.length === 0) throw new Error('The catalog could not be read.');
    return found;
  };
  requests.introspect = () => {
    const reading = catalog ?? read();
    catalog = reading;
    reading.catch(() => {
      if (catalog === reading) catalog = undefined;
    });
    return reading;
  };
  await admin.driver.unsafe(SCHEMA_WATCH);
  const forget = () => {
    catalog = undefined;
  };
  const listener = await startSession({
    name: 'postgrest listener',
    databaseUrl: database.url({ role: 'supabase_admin' }),
    channel: 'pgrst',
    onNotify: forget,
    work: async (_, signal) => {
      // Also after a lost connection, during which a notice may have been missed.
      forget();
      if (!signal.aborted) await once(signal, 'abort');
    },
    log,
  });
  return { listener, forget };
}

/** Whether an answer says that the catalog has no such table, function or column. */
async function isUnknown(response: Response): Promise<boolean> {
  if (!response.headers.get('content-type')?.includes('json')) return false;
  const { code } = (await response.json()) as { code?: string };
  return code === 'PGRST205' || code === 'PGRST202' || code === 'PGRST204';
}

const SCHEMA_WATCH = `
  create or replace function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql
  set search_path = '' as $$
  begin
    notify pgrst, 'reload schema';
  end $$;
  drop event trigger if exists pgrst_ddl_watch;
  create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
  drop event trigger if exists pgrst_drop_watch;
  create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_ddl_watch();
`;

/** Answers every database error as PostgREST does, and sends @supabase/lite's copy for the console to our log. */
function answerAsPostgrest(connection: PostgresConnection, log: ApiServerOptions['log']): void {
  connection.normalizeDbError = (error) => {
    const code = error instanceof Error && 'code' in error ? `${error.code} ` : '';
    log?.(`api: ${code}${error instanceof Error ? error.message : error}`);
    muteNextConsoleError();
    return toPostgrestError(error) ?? error;
  };
}

let muted = false;

/** The caller prints each refused request, stack and all, in the same synchronous step; a test run drowns in it. */
function muteNextConsoleError(): void {
  if (muted) return;
  muted = true;
  const { error } = console;
  console.error = () => undefined;
  queueMicrotask(() => {
    console.error = error;
    muted = false;
  });
}
