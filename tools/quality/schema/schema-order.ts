import { splitStatements } from '../../local/postgres/split-statements.ts';
import { readSchema } from './schema-files.ts';

const NAME = /\b(?:push\.\w+|public\.push_\w+)\b/g;
const DEFINITION = /^create (?:function|table|view|type) ((?:push|public)\.\w+)/;

/**
 * Checks that every file uses only what it or an earlier file defines. Postgres does not look into a plpgsql body before it
 * is called, so a wrong order works but misleads the reader. SQL that is text (`execute format(…)`) is not checked.
 */
export async function checkSchemaOrder(project: string): Promise<string[]> {
  const statements = (await readSchema(project)).flatMap(({ path, text }, rank) =>
    splitStatements(text).map((statement) => ({ path, rank, code: withoutText(statement.text) })),
  );
  const defined = new Map<string, { path: string; rank: number }>();
  for (const { path, rank, code } of statements) {
    const name = DEFINITION.exec(code)?.[1];
    if (name && !defined.has(name)) defined.set(name, { path, rank });
  }
  const problems = new Set<string>();
  for (const { path, rank, code } of statements) {
    for (const name of code.match(NAME) ?? []) {
      const definition = defined.get(name);
      if (definition && definition.rank > rank)
        problems.add(`schemas/${path} uses ${name}, which is defined later, in schemas/${definition.path}`);
    }
  }
  return [...problems];
}

/** Without comments and string literals, whose names are words, and with single spaces. */
function withoutText(sql: string): string {
  return sql
    .replace(/--[^\n]*/g, '')
    .replace(/'(?:[^']|'')*'/g, "''")
    .replace(/\s+/g, ' ')
    .trim();
}
