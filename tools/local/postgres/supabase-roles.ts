import { readFile } from 'node:fs/promises';
import { getAuthSchemaSql, SUPABASE_AUTH_HELPERS_SQL } from '@supabase/lite';
import postgres from 'postgres';
import type { PostgresServer } from './postgres-server.ts';

// Two preparations at once, of two databases of one server, would alter the same roles.
const PREPARING = 7_338_017;

export interface NewProject {
  /** Whether what `postgres` makes in schema public is open to the API roles without a grant. A new database alone is made so. */
  exposeNewTables?: boolean;
}

/**
 * Gives a database what a new Supabase project has: roles (cluster-wide), the schemas extensions, auth, storage, realtime and
 * supabase_migrations, pgcrypto, uuid-ossp and Vault. Makes the database if it is missing; may be repeated.
 */
export async function prepareSupabase(
  server: PostgresServer,
  database = 'postgres',
  { exposeNewTables = false }: NewProject = {},
): Promise<void> {
  await createDatabase(server, database);
  const sql = postgres(server.url({ role: 'supabase_admin', database }), { max: 1, onnotice: () => {} });
  try {
    const roles = await readFile(new URL('./supabase-roles.sql', import.meta.url), 'utf8');
    const auth = await readFile(new URL('./supabase-auth.sql', import.meta.url), 'utf8');
    const services = await readFile(new URL('./supabase-services.sql', import.meta.url), 'utf8');
    await sql.begin(async (transaction) => {
      await transaction`select pg_advisory_xact_lock(${PREPARING})`;
      for (const role of ['postgres', 'authenticator', 'supabase_auth_admin'] as const) {
        const { password } = new URL(server.url({ role }));
        await transaction`select set_config(${`supapush.password_${role}`}, ${password}, true)`;
      }
      const [prepared] = await transaction`select from pg_namespace where nspname = 'supabase_migrations'`;
      await transaction.unsafe(roles).simple();
      await transaction.unsafe(getAuthSchemaSql(true)).simple();
      await transaction.unsafe(SUPABASE_AUTH_HELPERS_SQL).simple();
      await transaction.unsafe(auth).simple();
      await transaction.unsafe(services).simple();
      // Later on, such defaults are the migrations' own.
      if (exposeNewTables && !prepared) await transaction.unsafe(EXPOSE_NEW_TABLES).simple();
    });
  } finally {
    await sql.end();
  }
}

const EXPOSE_NEW_TABLES = ['tables', 'routines', 'sequences']
  .map(
    (kind) =>
      `alter default privileges for role postgres in schema public grant all on ${kind} to anon, authenticated, service_role;`,
  )
  .join('\n');

async function createDatabase(server: PostgresServer, database: string): Promise<void> {
  if (database === 'postgres') return;
  const sql = postgres(server.url({ role: 'supabase_admin' }), { max: 1, onnotice: () => {} });
  try {
    const [existing] = await sql`select from pg_database where datname = ${database}`;
    if (!existing) await sql`create database ${sql(database)}`;
  } finally {
    await sql.end();
  }
}
