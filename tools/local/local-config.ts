import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'smol-toml';
import { z } from 'zod';

/** How one Edge Function of `supabase/config.toml` is to be served. */
export interface FunctionConfig {
  enabled: boolean;
  verifyJwt: boolean;
  /** Absolute path, where config.toml names one. */
  importMap?: string;
  /** Absolute path, where config.toml names another than `functions/<name>/index.ts`. */
  entrypoint?: string;
}

/** What the local stack reads from `supabase/config.toml`, with the Supabase CLI's defaults. */
export interface LocalConfig {
  projectDirectory: string;
  supabaseDirectory: string;
  api: {
    /** The port that the Supabase CLI would take, where it is written. */
    port: number | undefined;
    schemas: string[];
    extraSearchPath: string[];
    maxRows: number;
    /** Whether new tables of schema public are open to the API roles without a grant. */
    exposeNewTables: boolean;
  };
  database: { port: number | undefined; majorVersion: number };
  auth: { enableSignup: boolean; jwtExpiry: number; minimumPasswordLength: number; siteUrl: string };
  /** Absolute paths in the order in which they are to run. */
  seedFiles: string[];
  /** As they are written, in the order in which they are to run. */
  schemaPaths: string[];
  functions: Record<string, FunctionConfig>;
  /** Of `[edge_runtime.secrets]`, as they are written: a value, or `env(NAME)`. */
  functionSecrets: Record<string, string>;
}

/** `supabase/config.toml` cannot be read as what the Supabase CLI expects. */
export class LocalConfigError extends Error {
  override readonly name = 'LocalConfigError';
  readonly code = 'config_invalid';
}

// Only what is used here; every other key of the CLI's format passes unread.
const configFile = z.object({
  api: z
    .object({
      port: z.int().optional(),
      // Unset, version 2.117 of the CLI exposes them.
      auto_expose_new_tables: z.boolean().default(true),
      schemas: z.array(z.string()).default(['public']),
      extra_search_path: z.array(z.string()).default(['public', 'extensions']),
      max_rows: z.int().positive().default(1000),
    })
    .prefault({}),
  auth: z
    .object({
      enable_signup: z.boolean().default(true),
      jwt_expiry: z.int().positive().default(3600),
      minimum_password_length: z.int().positive().default(6),
      site_url: z.string().default('http://127.0.0.1:3000'),
    })
    .prefault({}),
  db: z
    .object({
      port: z.int().optional(),
      major_version: z.int().default(17),
      migrations: z.object({ schema_paths: z.array(z.string()).default([]) }).prefault({}),
      seed: z
        .object({
          enabled: z.boolean().default(true),
          sql_paths: z.array(z.string()).default(['./seed.sql']),
        })
        .prefault({}),
    })
    .prefault({}),
  functions: z
    .record(
      z.string(),
      z.object({
        enabled: z.boolean().default(true),
        verify_jwt: z.boolean().default(true),
        import_map: z.string().optional(),
        entrypoint: z.string().optional(),
      }),
    )
    .default({}),
  edge_runtime: z.object({ secrets: z.record(z.string(), z.string()).default({}) }).prefault({}),
});

/** Reads `supabase/config.toml` of a project; a missing file means defaults. Throws `LocalConfigError`. */
export async function readLocalConfig(projectDirectory: string): Promise<LocalConfig> {
  const supabaseDirectory = join(resolve(projectDirectory), 'supabase');
  const file = join(supabaseDirectory, 'config.toml');
  const parsed = parseConfig(file, existsSync(file) ? await readFile(file, 'utf8') : '');
  const seedFiles: string[] = [];
  if (parsed.db.seed.enabled) {
    for (const pattern of parsed.db.seed.sql_paths) {
      const matches: string[] = [];
      for await (const match of glob(pattern, { cwd: supabaseDirectory })) matches.push(match);
      seedFiles.push(...matches.sort().map((match) => resolve(supabaseDirectory, match)));
    }
  }
  return {
    projectDirectory: resolve(projectDirectory),
    supabaseDirectory,
    api: {
      port: parsed.api.port,
      exposeNewTables: parsed.api.auto_expose_new_tables,
      schemas: parsed.api.schemas,
      extraSearchPath: parsed.api.extra_search_path,
      maxRows: parsed.api.max_rows,
    },
    database: { port: parsed.db.port, majorVersion: parsed.db.major_version },
    functionSecrets: parsed.edge_runtime.secrets,
    auth: {
      enableSignup: parsed.auth.enable_signup,
      jwtExpiry: parsed.auth.jwt_expiry,
      minimumPasswordLength: parsed.auth.minimum_password_length,
      siteUrl: parsed.auth.site_url,
    },
    seedFiles,
    schemaPaths: parsed.db.migrations.schema_paths,
    functions: Object.fromEntries(
      Object.entries(parsed.functions).map(([name, settings]) => [
        name,
        {
          enabled: settings.enabled,
          verifyJwt: settings.verify_jwt,
          ...(settings.import_map && { importMap: resolve(supabaseDirectory, settings.import_map) }),
          ...(settings.entrypoint && { entrypoint: resolve(supabaseDirectory, settings.entrypoint) }),
        },
      ]),
    ),
  };
}

function parseConfig(file: string, text: string): z.infer<typeof configFile> {
  try {
    return configFile.parse(parse(text));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new LocalConfigError(`${file}: ${reason}`, { cause: error });
  }
}
