import postgres from 'postgres';
import { LocalStackError } from '../local-stack-error.ts';
import { codeOf, createdExtension, runnable, shortened } from './extension-statements.ts';
import type { Statement } from './split-statements.ts';

/** A file of SQL, split. */
export interface Script {
  file: string;
  script: string;
  statements: readonly Statement[];
}

/** A statement that was left out. */
export interface Skipped {
  /** File and line. */
  place: string;
  statement: string;
  reason: string;
}

export interface ScriptOptions {
  /** Hears of each statement that is left out: for an extension that is missing, or because it names what is not there. Without it none is. */
  onSkipped?: ((skipped: Skipped) => void) | undefined;
}

/** What a statement fails with that names something that is not there: what a missing extension would have made, most likely. */
const NOT_THERE = new Set(['42704', '42883', '42P01', '42703', '3F000']);

/**
 * Runs a script in a transaction, statement by statement, because most errors carry no position: then at least the statement's line is
 * known. Throws `LocalStackError` `migration_failed`.
 */
export async function runScript(
  sql: postgres.TransactionSql,
  { file, script, statements }: Script,
  available: ReadonlySet<string>,
  { onSkipped }: ScriptOptions,
): Promise<void> {
  for (const statement of statements) {
    const code = codeOf(statement);
    const skip = (reason: string): void =>
      onSkipped?.({
        place: `${file}:${lineAt(script, statement.codeOffset)}`,
        statement: shortened(code),
        reason,
      });
    const extension = createdExtension(code);
    if (onSkipped !== undefined && extension !== undefined && !available.has(extension)) {
      skip(`the extension ${extension} is not here`);
      continue;
    }
    const text = runnable(code);
    if (text === undefined) continue;
    const run = (inner: postgres.TransactionSql) =>
      inner.unsafe(text === code ? statement.text : text).simple();
    try {
      await (onSkipped === undefined ? run(sql) : sql.savepoint(run));
    } catch (error) {
      if (!(error instanceof postgres.PostgresError)) throw error;
      if (onSkipped === undefined || !NOT_THERE.has(error.code))
        throw migrationError(error, file, script, statement, text === code);
      skip(error.message);
    }
  }
}

function migrationError(
  error: postgres.PostgresError,
  file: string,
  script: string,
  statement: Statement,
  hasPosition: boolean,
): LocalStackError {
  const { text, offset, codeOffset } = statement;
  // Postgres counts code points from 1.
  const position = error.position === undefined || !hasPosition ? undefined : Number(error.position) - 1;
  const within = position === undefined ? undefined : [...text].slice(0, position).join('').length;
  const line = lineAt(script, within === undefined ? codeOffset : offset + within);
  const more = [
    `in: ${shortened(codeOf(statement))}`,
    ...[error.detail, error.hint, error.where].filter(Boolean),
  ].map((part) => `\n  ${part}`);
  return new LocalStackError(
    'migration_failed',
    `${file}:${line}: ${error.message} (SQLSTATE ${error.code})${more.join('')}`,
    { cause: error },
  );
}

function lineAt(script: string, index: number): number {
  return script.slice(0, index).split('\n').length;
}
