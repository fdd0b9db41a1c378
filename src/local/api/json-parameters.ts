import type { IntrospectResult } from '@supabase/lite';
import type { PostgresConnection } from '@supabase/lite/postgres';
import { jsonText } from './postgrest-types.ts';

/**
 * Lets values of a request body reach json and jsonb columns and arguments as they are. @supabase/lite 0.10 sends
 * every argument as a JSON string, parses strings for columns that look like JSON, and sends booleans as SQL's.
 */
export function passJsonAsGiven(connection: PostgresConnection): void {
  const translate = connection.onPostgrestAST.bind(connection);
  connection.onPostgrestAST = async (given) => {
    const ast = await translate(given);
    const catalog = await connection.introspect({ useCache: true });
    const schema = ast.schema ?? 'public';
    if (ast.type === 'rpc' && isRecord(ast.args)) {
      ast.args = markJson(ast.args, jsonArguments(catalog, schema, ast.function, Object.keys(ast.args)));
    } else if (ast.values) {
      const names = jsonColumns(catalog, schema, ast.from);
      const mark = (row: object): object => (isRecord(row) ? markJson(row, names) : row);
      ast.values = Array.isArray(ast.values) ? ast.values.map(mark) : mark(ast.values);
    }
    return ast;
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function markJson(values: Record<string, unknown>, names: Set<string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      // null stays SQL's null, as PostgREST has it.
      names.has(name) && value !== null && value !== undefined ? jsonText(JSON.stringify(value)) : value,
    ]),
  );
}

/** The arguments that are JSON in every function of that name that has them. */
function jsonArguments(
  { functions = [] }: IntrospectResult,
  schema: string,
  functionName: string | undefined,
  names: string[],
): Set<string> {
  const overloads = functions.filter((known) => known.schema === schema && known.name === functionName);
  return new Set(
    names.filter((name) => {
      const types = overloads.flatMap(({ arg_names, arg_types }) => arg_types[arg_names.indexOf(name)] ?? []);
      return types.length > 0 && types.every(isJson);
    }),
  );
}

function jsonColumns({ columns }: IntrospectResult, schema: string, table: string | undefined): Set<string> {
  return new Set(
    columns
      .filter(
        (column) =>
          column.table === table && column.schema === schema && isJson(column.pg_type ?? column.type),
      )
      .map((column) => column.name),
  );
}

function isJson(type: string): boolean {
  return type === 'json' || type === 'jsonb';
}
