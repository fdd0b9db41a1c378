import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { inject } from 'vitest';
import type {} from './postgres-global-setup.ts';

export interface TestDatabase {
  /** A client as role `postgres`, the owner of everything a migration makes. */
  sql: postgres.Sql;
  /** Connection URLs of this database, as `postgres` and as the superuser `supabase_admin`. */
  url: string;
  superuserUrl: string;
  name: string;
  /** Closes `sql` and drops the database, even while others are still connected. */
  drop(): Promise<void>;
}

/**
 * A database of the test's own: Supabase's roles and schemas with every migration applied, or, with
 * `migrations: false`, as a new project is. A clone of a template on the server of this test run (about 0.1 s).
 */
export async function createTestDatabase(options: { migrations?: boolean } = {}): Promise<TestDatabase> {
  const provided = inject('postgres');
  if (!provided) {
    throw new Error(
      'No test server: vitest.config.ts wants globalSetup test/support/postgres-global-setup.ts',
    );
  }
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const template = (options.migrations ?? true) ? provided.template : provided.emptyTemplate;
  const admin = asAdministrator(provided.superuserUrl);
  // Its files are copied as they are: through the log of the server, the other strategy, it takes longer.
  await admin`create database ${admin(name)} template ${admin(template)} owner postgres strategy file_copy`;
  const url = withDatabase(provided.url, name);
  const sql = postgres(url, { onnotice: () => {} });
  return {
    sql,
    url,
    superuserUrl: withDatabase(provided.superuserUrl, name),
    name,
    drop: async () => {
      await sql.end({ timeout: 1 });
      await admin`drop database if exists ${admin(name)} with (force)`;
    },
  };
}

function withDatabase(url: string, name: string): string {
  const target = new URL(url);
  target.pathname = `/${name}`;
  return target.href;
}

// One connection for all files of a process; it ends by itself, so that the process can.
let administrator: { url: string; sql: postgres.Sql } | undefined;

function asAdministrator(url: string): postgres.Sql {
  if (administrator?.url !== url) {
    const sql = postgres(url, { max: 1, idle_timeout: 1, fetch_types: false, onnotice: () => {} });
    administrator = { url, sql };
  }
  return administrator.sql;
}

/** A user as sign-up makes one. */
export async function createUser(
  sql: postgres.Sql | postgres.TransactionSql,
  values: { id?: string; email?: string } = {},
): Promise<{ id: string; email: string }> {
  const id = values.id ?? randomUUID();
  const email = values.email ?? `${id}@example.com`;
  await sql`insert into auth.users (id, email) values (${id}, ${email})`;
  return { id, email };
}

type Work<T> = (sql: postgres.TransactionSql) => T | Promise<T>;

/** Runs `fn` in a transaction as the API runs a signed-in user's request. */
export function asUser<T>(sql: postgres.Sql, userId: string, fn: Work<T>): Promise<T> {
  return asRole(sql, { role: 'authenticated', sub: userId }, fn);
}

/** Runs `fn` in a transaction as the API runs a request with only the publishable key. */
export function asAnon<T>(sql: postgres.Sql, fn: Work<T>): Promise<T> {
  return asRole(sql, { role: 'anon' }, fn);
}

/** Runs `fn` in a transaction as the API runs a request with the secret key. */
export function asService<T>(sql: postgres.Sql, fn: Work<T>): Promise<T> {
  return asRole(sql, { role: 'service_role' }, fn);
}

async function asRole<T>(sql: postgres.Sql, claims: { role: string; sub?: string }, fn: Work<T>): Promise<T> {
  const outcome = await sql.begin(async (transaction) => {
    await transaction`
      select
        set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
        set_config('request.jwt.claim.role', ${claims.role}, true),
        set_config('request.jwt.claim.sub', ${claims.sub ?? ''}, true),
        set_config('role', ${claims.role}, true)
    `;
    return { value: await fn(transaction) };
  });
  return outcome.value;
}
