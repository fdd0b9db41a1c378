/** What `supapush dev` asks of the local stack, which the package carries as a program of its own (`tools/local/app-stack.ts`). */
export interface AppStackOptions {
  /** The folder with `supabase/` in it. */
  projectDirectory: string;
  /** Keeps database, keys and ports between runs. */
  stateDirectory: string;
  /** Starts with an empty database and new keys. */
  reset: boolean;
  /** Leaves out the statements of migrations and seeds that need an extension, or name anything else, that is not there, instead of refusing to start. */
  skipMissing: boolean;
  ports: Record<'gateway' | 'database' | 'pushService', number | undefined>;
  quoteServer: boolean;
  /** Where the imports of Edge Functions come from: the packages of the project, or wherever each import says. */
  functionImports: 'project' | 'anywhere';
  log: (line: string) => void;
  onFunctionLog: (line: { function: string; line: string }) => void;
}

/** A statement that was left out, and why. */
export interface SkippedStatement {
  /** The file and the line where the statement begins. */
  place: string;
  /** Its first words. */
  statement: string;
  reason: string;
}

/** A function of the project: it serves, it still starts, or it does not start for this reason. */
export interface FunctionState {
  name: string;
  state: 'ready' | 'starting' | 'failed';
  reason?: string;
}

/** A local stack that runs. */
export interface AppStack {
  url: string;
  publishableKey: string;
  secretKey: string;
  /** The keys of before `sb_…`, which many apps still name: user tokens of the roles `anon` and `service_role`. */
  anonKey: string;
  serviceRoleKey: string;
  jwtSecret: string;
  databaseUrl: string;
  superuserDatabaseUrl: string;
  pushServiceUrl: string;
  quoteServerUrl: string | undefined;
  vapidPublicKey: string;
  functions: FunctionState[];
  /** What this start left out. */
  skipped: SkippedStatement[];
  /** What is other than one may think, in words. */
  notes: string[];
  stop(): Promise<void>;
}

/** The module that starts it. */
export interface AppStackModule {
  startAppStack(options: AppStackOptions): Promise<AppStack>;
}
