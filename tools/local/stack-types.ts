import type { FcmService } from './fcm-service/fcm-service.ts';
import type { FunctionLogLine, FunctionServer, FunctionState } from './functions/function-server.ts';
import type { PostgresOptions, PostgresServer } from './postgres/postgres-server.ts';
import type { ScriptOptions } from './postgres/run-script.ts';
import type { PushService } from './push-service/push-service.ts';
import type { QuoteServer } from './quote-server/quote-server.ts';
import type { StackPorts } from './stack-ports.ts';

export interface StackOptions extends Pick<PostgresOptions, 'durable' | 'preload'> {
  /** The folder with `supabase/` in it; this project unless given. */
  projectDirectory?: string;
  /** Keeps database, keys and ports between runs; without it they live in a folder that goes with the stack. */
  stateDirectory?: string;
  /** Empties the state directory first. */
  reset?: boolean;
  /** The folder of a stopped cluster, which a stack without a database copies instead of making its own. */
  cluster?: string;
  /** Free ones unless given; those of the last run where the state is kept. */
  ports?: StackPorts;
  /** Function secrets, in addition to and before the stack's own. */
  secrets?: Record<string, string>;
  /** The workers behind pg_net and pg_cron; both run unless switched off. */
  workers?: { net?: boolean; cron?: boolean };
  /** Whether seed files run after migrations were applied to a new database; they do unless switched off. */
  seed?: boolean;
  /** Whether Edge Functions are served; they are unless switched off. Where some are named, another starts with its first request. */
  functions?: boolean | readonly string[];
  /** Processes of each function; requests go to them in turns. One unless given. */
  functionProcesses?: number;
  /** What a project that is not ours needs. */
  lenient?: {
    /** Hears of each statement that is left out because it needs an extension that is missing. */
    onSkipped?: ScriptOptions['onSkipped'];
    /** How long a start waits for functions; those that start later, or not at all, do not end it. */
    functionPatienceMs: number;
    /** Where the imports of functions come from; see `DenoProcessOptions`. */
    functionImports: 'project' | 'anywhere';
    /** The ports of `config.toml`, where they are free. */
    configuredPorts: boolean;
  };
  /** Whether a source of quotes runs beside it, and the database may ask it; not unless switched on. */
  quoteServer?: boolean;
  /** What happens, line by line, with durations. */
  log?: (line: string) => void;
  /** What functions print; goes to `log` unless given. */
  onFunctionLog?: (line: FunctionLogLine) => void;
  /** Stop in order on SIGINT, SIGTERM, SIGHUP and uncaught errors, then exit; for programs that are only a stack. */
  handleSignals?: boolean;
}

/** What a program needs to talk to a stack. */
export interface StackAddress {
  url: string;
  publishableKey: string;
  secretKey: string;
  /** As `postgres`, the role of migrations, which is no superuser. */
  databaseUrl: string;
  superuserDatabaseUrl: string;
  pushServiceUrl: string;
  /** Undefined where no quote server was asked for. */
  quoteServerUrl: string | undefined;
  vapidPublicKey: string;
}

export interface Stack extends StackAddress {
  /** Signs user sessions (HS256). */
  readonly jwtSecret: string;
  readonly pushService: PushService;
  readonly fcm: FcmService;
  readonly quotes: QuoteServer | undefined;
  readonly postgres: PostgresServer;
  readonly functions: FunctionServer | undefined;
  /** How each function was when the start ended; without `lenient` all are ready. */
  readonly functionStates: FunctionState[];
  /** The migrations that this start applied. */
  readonly migrations: string[];
  /** Every process of the stack, the one that cleans up after a kill included. */
  pids(): number[];
  /** Crashes the database server and starts it again on its port: unlogged tables are empty then, as after a real crash. */
  crashDatabase(): Promise<void>;
  /** Ends every part; leaves no process, port or temporary folder. May be called again. */
  stop(): Promise<void>;
}
