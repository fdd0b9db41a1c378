import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allOrNone } from './all-or-none.ts';
import type { ApiServer } from './api/api-server.ts';
import { databaseIsAway } from './api/database-is-away.ts';
import { startFcmService } from './fcm-service/fcm-service.ts';
import { findEdgeFunctions } from './functions/edge-function.ts';
import { type FunctionServer, startFunctionServer } from './functions/function-server.ts';
import { legacyKeys } from './functions/user-jwt.ts';
import { startGateway } from './gateway.ts';
import { endOnSignals, type Lifetime, startLifetime } from './lifetime.ts';
import { readLocalConfig } from './local-config.ts';
import { type PostgresServer, startPostgres } from './postgres/postgres-server.ts';
import { connectPush, migrateProject, seedProject } from './project-database.ts';
import { startPushService } from './push-service/push-service.ts';
import { startStackQuoteServer } from './quote-server/stack-quote-server.ts';
import { openStackDirectory } from './stack-directory.ts';
import { choosePorts } from './stack-ports.ts';
import { openStackState, saveStackState } from './stack-state.ts';
import type { Stack, StackAddress, StackOptions } from './stack-types.ts';
import { startPgCronWorker } from './workers/pg-cron-worker.ts';
import { startPgNetWorker, type Worker } from './workers/pg-net-worker.ts';

export type { Stack, StackAddress, StackOptions } from './stack-types.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/** Starts a whole local Supabase around a project's `supabase/` folder, with a push service beside it. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const log = options.log ?? (() => undefined);
  const lifetime = startLifetime(log);
  const starting = compose(options, lifetime, log);
  if (options.handleSignals) {
    const end = async (): Promise<void> => {
      await starting.catch(() => undefined); // Only what has finished starting can be stopped in order.
      await lifetime.end();
      log('stopped');
    };
    // The user always learns why the program ended, also without a `log`.
    endOnSignals(end, options.log ?? console.error);
  }
  try {
    return await starting;
  } catch (error) {
    await lifetime.end();
    throw error;
  }
}

async function compose(
  options: StackOptions,
  lifetime: Lifetime,
  log: (line: string) => void,
): Promise<Stack> {
  const started = performance.now();
  const timed = async <T>(what: string, work: Promise<T>): Promise<T> => {
    const since = performance.now();
    const result = await work;
    log(`${what} (${Math.round(performance.now() - since)} ms)`);
    return result;
  };

  const directory = await openStackDirectory(options, lifetime);
  const [config, state] = await Promise.all([
    readLocalConfig(resolve(options.projectDirectory ?? PROJECT)),
    openStackState(directory),
  ]);
  const { lenient } = options;
  const configured = { gateway: config.api.port, database: config.database.port };
  const ports = await choosePorts(options.ports ?? {}, state, lenient?.configuredPorts ? configured : {});
  const place = {
    directory: join(directory, 'postgres'),
    durable: options.durable ?? false,
    preload: options.preload ?? [],
  };
  // Before it is started: a kill while the cluster is being made must not leave it running.
  lifetime.watchPidFile(join(place.directory, 'data', 'postmaster.pid'));

  let database: PostgresServer | undefined;
  lifetime.onEnd('postgres', async () => database?.stop());
  const startDatabase = async (port: number | undefined): Promise<PostgresServer> => {
    database = await startPostgres({ ...place, ...(port !== undefined && { port }) });
    lifetime.started(database.pid);
    return database;
  };

  // Both load @supabase/lite, which takes a while: it happens while Postgres starts.
  const modules = Promise.all([import('./postgres/supabase-roles.ts'), import('./api/api-server.ts')]);
  modules.catch(() => undefined);
  const [server, gateway, pushService, fcm, quotes] = await allOrNone([
    timed('PostgreSQL', startDatabase(ports.database)),
    startGateway({ ...(ports.gateway !== undefined && { port: ports.gateway }), log }).then((gateway) => {
      lifetime.onEnd('gateway', gateway.stop);
      return gateway;
    }),
    startPushService(ports.pushService === undefined ? {} : { port: ports.pushService }).then((service) => {
      lifetime.onEnd('push service', service.stop);
      return service;
    }),
    startFcmService({ privateKey: state.fcmPrivateKey }).then((service) => {
      lifetime.onEnd('FCM service', service.stop);
      return service;
    }),
    options.quoteServer ? startStackQuoteServer(ports.quoteServer, lifetime) : undefined,
  ]);
  const pushServicePort = Number(new URL(pushService.origin).port);
  await saveStackState(directory, {
    ...state,
    ports: {
      gateway: gateway.port,
      database: server.port,
      pushService: pushServicePort,
      quoteServer: quotes?.port ?? ports.quoteServer,
    },
  });

  const address: StackAddress = {
    url: gateway.url,
    publishableKey: state.publishableKey,
    secretKey: state.secretKey,
    databaseUrl: server.url(),
    superuserDatabaseUrl: server.url({ role: 'supabase_admin' }),
    pushServiceUrl: pushService.origin,
    quoteServerUrl: quotes?.origin,
    vapidPublicKey: options.secrets?.VAPID_PUBLIC_KEY ?? state.vapid.publicKey,
  };

  let functions: FunctionServer | undefined;
  if (options.functions !== false) {
    functions = startFunctionServer({
      functions: await findEdgeFunctions(config),
      projectDirectory: await realpath(config.projectDirectory),
      jwtSecret: state.jwtSecret,
      platform: {
        SUPABASE_URL: address.url,
        SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: state.publishableKey }),
        SUPABASE_SECRET_KEYS: JSON.stringify({ default: state.secretKey }),
        SUPABASE_DB_URL: address.databaseUrl,
        ...legacyKeys(state.jwtSecret),
      },
      secrets: {
        VAPID_PUBLIC_KEY: state.vapid.publicKey,
        VAPID_PRIVATE_KEY: state.vapid.privateKey,
        VAPID_SUBJECT: 'mailto:push@example.com',
        PUSH_BELL_SECRET: state.bellSecret,
        FCM_SERVICE_ACCOUNT: JSON.stringify(fcm.serviceAccount),
        ...options.secrets,
      },
      onLog: options.onFunctionLog ?? (({ function: name, line }) => log(`${name}: ${line}`)),
      tracker: lifetime,
      startAtOnce: typeof options.functions === 'object' ? options.functions : undefined,
      imports: lenient?.functionImports ?? 'project',
      ...(options.functionProcesses !== undefined && { processes: options.functionProcesses }),
    });
    lifetime.onEnd('functions', functions.stop);
  }

  const migrate = async (): Promise<string[]> => {
    const [{ prepareSupabase }] = await modules;
    await prepareSupabase(server, 'postgres', { exposeNewTables: config.api.exposeNewTables });
    const applied = await migrateProject(address.databaseUrl, config, { onSkipped: lenient?.onSkipped });
    for (const file of applied) log(`migration ${file}`);
    if (options.seed !== false)
      await seedProject(address.databaseUrl, config, { onSkipped: lenient?.onSkipped });
    return applied;
  };
  const [migrations, functionStates] = await allOrNone([
    timed('database prepared and migrated', migrate()),
    functions
      ? timed('functions', lenient ? functions.settled(lenient.functionPatienceMs) : functions.ready())
      : [],
  ]);

  const workers: Worker[] = [];
  lifetime.onEnd('workers', () => endWorkers(workers));
  const runWorkers = async (): Promise<void> => {
    const { net = true, cron = true } = options.workers ?? {};
    const databaseUrl = address.superuserDatabaseUrl;
    const start = [...(net ? [startPgNetWorker] : []), ...(cron ? [startPgCronWorker] : [])];
    await allOrNone(
      start.map((worker) => worker({ databaseUrl, log }).then((running) => workers.push(running))),
    );
  };
  const runApi = async (): Promise<ApiServer> => {
    const [, { startApiServer }] = await modules;
    const api = await startApiServer({
      config,
      database: server,
      jwtSecret: state.jwtSecret,
      publishableKey: state.publishableKey,
      secretKey: state.secretKey,
      log,
    });
    lifetime.onEnd('API', api.stop);
    return api;
  };
  let [api] = await allOrNone([
    timed('API', runApi()),
    runWorkers(),
    connectPush(address.databaseUrl, {
      projectUrl: address.url,
      bellSecret: state.bellSecret,
      vapidPublicKey: address.vapidPublicKey,
      pushServiceOrigin: pushService.origin,
      fcmBaseUrl: fcm.baseUrl,
      quoteServerOrigin: quotes?.origin,
    }).then((original) => {
      if (original) log(`nothing is sent: a copy of ${original}. To send all the same: select push.adopt()`);
    }),
  ]);
  // Registered again to be the first to stop: no request is to find its server half gone.
  lifetime.onEnd('gateway', gateway.stop);
  const serve = (fetch: ApiServer['fetch']): void =>
    gateway.serve({ api: fetch, ...(functions && { functions: functions.handle }) });
  serve(api.fetch);
  log(`ready (${Math.round(performance.now() - started)} ms)`);

  return {
    ...address,
    jwtSecret: state.jwtSecret,
    pushService,
    fcm,
    quotes,
    get postgres() {
      return database ?? server;
    },
    functions,
    functionStates,
    migrations,
    pids: () =>
      [lifetime.reaperPid, database?.pid, ...(functions?.pids() ?? [])].filter((pid) => pid !== undefined),
    async crashDatabase() {
      // PostgREST answers 503 while the database is away. The API goes first, because its driver throws outside of any
      // promise when the server vanishes under a transaction (postgres.js 3.4).
      serve(databaseIsAway);
      await api.stop();
      const crashed = database ?? server;
      await crashed.crash();
      lifetime.ended(crashed.pid);
      await startDatabase(crashed.port);
      api = await runApi();
      serve(api.fetch);
    },
    stop: lifetime.end,
  };
}

async function endWorkers(workers: Worker[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.stop()));
}
