import { readFile } from 'node:fs/promises';
import postgres from 'postgres';

export interface Parameter {
  name: string;
  type: string;
  /** As SQL; null where it has to be given. */
  fallback: string | null;
}

export interface CatalogFunction {
  /** With its schema: `push.cancel`. */
  name: string;
  parameters: Parameter[];
  returns: string;
  source: string;
  comment: string;
  /** Of anon, authenticated and service_role those that may call it. */
  roles: string[];
}

export interface Column {
  name: string;
  type: string;
  required: boolean;
  /** As SQL. */
  fallback: string | null;
  comment: string;
  /** Which of insert and update users (`authenticated`) may do with it. */
  users: string[];
}

export interface Relation {
  /** With its schema: `public.push_topics`. */
  name: string;
  kind: 'table' | 'view';
  comment: string;
  columns: Column[];
  /** What each API role may do, and with which rows: as its policy says in words, or else in SQL; null where it has none. */
  access: { role: string; may: string; rows: string | null }[];
  /** Conditions of check constraints, and what their comments say that they accept. */
  checks: { condition: string; comment: string | null }[];
}

export interface DatabaseCatalog {
  functions: CatalogFunction[];
  relations: Relation[];
}

/** Reads what the reference tells of a database with the schema, in the order of names. `url` is that of a superuser. */
export async function readDatabase(url: string): Promise<DatabaseCatalog> {
  const query = (name: string) => readFile(new URL(name, import.meta.url), 'utf8');
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    const functions = await sql.unsafe<CatalogFunction[]>(await query('functions.sql'));
    const relations = await sql.unsafe<Relation[]>(await query('relations.sql'));
    return { functions: [...functions], relations: [...relations] };
  } finally {
    await sql.end();
  }
}
