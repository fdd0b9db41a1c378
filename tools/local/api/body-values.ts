import type { IntrospectResult } from '@supabase/lite';
import type { PostgresConnection } from '@supabase/lite/postgres';
import { elementOf, isJsonType, toColumnText, ValueError } from './json-text.ts';
import { jsonText, PlainText } from './postgrest-types.ts';

type Row = Record<string, unknown>;
type Types = Map<string, string>;

/**
 * Reads the values of a request's body as PostgREST does, which leaves them to PostgreSQL: each becomes the text that
 * `json_to_record` hands to the input function of its column's or argument's type. @supabase/lite 0.10 sends arguments
 * as JSON strings, has its own idea of what a number or a boolean is, and lets its driver fail at what it cannot write.
 *
 * What `columns=` names and a row lacks becomes NULL, unless `Prefer: missing=default` asks for the column's default.
 */
export function readBodiesAsPostgrest(connection: PostgresConnection): void {
  const translate = connection.onPostgrestAST.bind(connection);
  connection.onPostgrestAST = async (given) => {
    const ast = await translate(given);
    const catalog = await connection.introspect({ useCache: true });
    const schema = ast.schema ?? 'public';
    if (ast.type === 'rpc') {
      if (isRow(ast.args)) ast.args = read(ast.args, argumentTypes(catalog, schema, ast.function));
    } else if (ast.values) {
      const types = columnTypes(catalog, schema, ast.from);
      const missing = missingValues(ast.$meta);
      const readRow = (row: object): object => (isRow(row) ? read({ ...missing, ...row }, types) : row);
      ast.values = Array.isArray(ast.values) ? ast.values.map(readRow) : readRow(ast.values);
    }
    return ast;
  };
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What stands for what a row lacks; undefined is the column's default. */
function missingValues(meta: { columns?: string[]; missing?: string } | undefined): Row {
  const value = meta?.missing === 'default' ? undefined : null;
  return Object.fromEntries((meta?.columns ?? []).map((column) => [column, value]));
}

function read(row: Row, types: Types): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      const type = types.get(name);
      return [name, type === undefined || value === undefined ? value : readValue(value, type)];
    }),
  );
}

const BOOLEANS = new Set(['bool', 'boolean']);
const NUMBERS = new Set(
  'int2,smallint,int4,integer,int,int8,bigint,float4,real,float8,double precision,numeric,decimal'.split(','),
);

function readValue(value: unknown, type: string): unknown {
  if (value === null) return null;
  const text = toColumnText(value, type);
  if (isJsonType(type)) return jsonText(text);
  const isArray = elementOf(type) !== undefined;
  const isItself = BOOLEANS.has(type) ? typeof value === 'boolean' : typeof value === 'number';
  if (isItself && !isArray) return value;
  if (BOOLEANS.has(type) || NUMBERS.has(type)) return new PlainText(text);
  // @supabase/lite would take it for an array.
  if (isArray && /^\s*\[/.test(text) && !/^\s*\[\d+:/.test(text)) {
    throw new ValueError(
      '22P02',
      `malformed array literal: "${text}"`,
      'Array value must start with "{" or dimension information.',
    );
  }
  return text;
}

/** The types of the arguments, where all functions of that name agree on them; of a variadic one only those before. */
function argumentTypes(
  { functions = [] }: IntrospectResult,
  schema: string,
  functionName: string | undefined,
): Types {
  const types: Types = new Map();
  const disputed = new Set<string>();
  for (const known of functions) {
    if (known.schema !== schema || known.name !== functionName) continue;
    for (const [index, name] of known.arg_names.entries()) {
      const type = known.arg_types[index];
      const isVariadic = known.has_variadic && index === known.arg_names.length - 1;
      if (type === undefined || isVariadic || (types.get(name) ?? type) !== type) disputed.add(name);
      else types.set(name, type);
    }
  }
  for (const name of disputed) types.delete(name);
  return types;
}

function columnTypes({ columns }: IntrospectResult, schema: string, table: string | undefined): Types {
  return new Map(
    columns
      .filter((column) => column.table === table && column.schema === schema)
      .map((column) => [column.name, column.pg_type ?? column.type]),
  );
}
