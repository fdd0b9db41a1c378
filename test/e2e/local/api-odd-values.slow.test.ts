import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useStack } from '../../support/stack.ts';
import { makeProject, type TempProject } from './temp-project.ts';

const TYPES = [
  'uuid',
  'integer',
  'smallint',
  'bigint',
  'numeric',
  'double precision',
  'boolean',
  'text',
  'varchar(5)',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'interval',
  'bytea',
  'inet',
  'public.mood',
  'json',
  'jsonb',
  'text[]',
  'integer[]',
  'uuid[]',
  'boolean[]',
  'jsonb[]',
] as const;

const ID = 'd2719f1c-9b0a-4b0e-8f0e-1d4c1c6c0a11';
const VALUES: unknown[] = [
  null,
  true,
  false,
  0,
  5,
  -1,
  1.5,
  40_000,
  9_999_999_999,
  1e21,
  3e300,
  '',
  ' ',
  'text',
  'happy',
  '5',
  ' 5 ',
  '1e3',
  '12.0',
  '0.12345678901234567890123',
  '9007199254740993',
  '99999999999999999999',
  'true',
  'yes',
  'on',
  'tr',
  'null',
  'NaN',
  'infinity',
  ID,
  '2026-01-01',
  '2026-13-01',
  '12:00',
  '25:00',
  '2026-01-01T00:00:00Z',
  '1 day',
  '\\x00ff',
  '\\xzz',
  '127.0.0.1',
  '{}',
  '{a,b}',
  '{1,2}',
  '{"a":1}',
  '["a"]',
  '[1:2]={1,2}',
  {},
  { a: 1 },
  { a: { b: [null] } },
  { toString: 1 },
  { $eq: 1 },
  { $ref: 'id' },
  [],
  [1],
  ['a'],
  ['1', null],
  [true],
  [null],
  [ID],
  [{}],
  [{ a: '"\\' }],
  [
    [1, 2],
    [3, 4],
  ],
  [[1], [2, 3]],
  ['a"b\\c,{}'],
  '\u0000',
  'a\u0000b',
  ['\u0000'],
  { a: '\u0000' },
  '\ud800',
  'x'.repeat(3000),
];

let project: TempProject;
const columnOf = (index: number) => `c${index}`;
const stack = useStack(async () => {
  const columns = TYPES.map((type, index) => `${columnOf(index)} ${type}`);
  const takers = TYPES.map(
    (type, index) => `
      create function public.take${index}(v ${type}) returns text language sql as 'select to_json(v)::text';`,
  );
  project = await makeProject({
    'migrations/20260101000000_typed.sql': `
      create type public.mood as enum ('happy', 'sad');
      create table public.typed (id int primary key, ${columns.join(', ')});
      grant all on public.typed to service_role;
      ${takers.join('\n')}`,
  });
  return { projectDirectory: project.directory, functions: false, workers: { net: false, cron: false } };
});

let sql: postgres.Sql;
beforeAll(() => {
  sql = postgres(stack().superuserDatabaseUrl, { max: 4, onnotice: () => undefined });
});
afterAll(async () => {
  await sql.end();
  await project.remove();
});

/** What PostgREST's own statement makes of the value: its text as JSON, or the status and the error's code. */
async function expected(type: string, json: string): Promise<string> {
  const body = `{"v": ${json}}`;
  return sql
    .unsafe(`select to_json(r.v)::text as text from json_to_record($1::text::json) as r (v ${type})`, [body])
    .then(
      ([row]) => `${row?.text}`,
      ({ code }: postgres.PostgresError) => `${code.startsWith('54') ? 500 : 400} ${code}`,
    );
}

async function post(path: string, body: string): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${stack().url}/rest/v1/${path}`, {
    method: 'POST',
    headers: {
      apikey: stack().secretKey,
      'content-type': 'application/json',
      prefer: 'return=minimal, resolution=merge-duplicates',
    },
    body,
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? null : JSON.parse(text) };
}

function outcome(answer: { status: number; body: unknown }, text: unknown): string {
  if (answer.status < 400) return `${text}`;
  return `${answer.status} ${(answer.body as { code?: string }).code}`;
}

const writeTo = async (column: string, id: number, json: string): Promise<string> => {
  const answer = await post('typed', `{"id": ${id}, "${column}": ${json}}`);
  const [row] = await sql.unsafe(`select to_json(${column})::text as text from typed where id = ${id}`);
  return outcome(answer, row?.text);
};

/** Each value in short, with what became of it. */
const outcomes = (work: (json: string, place: number) => Promise<string>): Promise<string[]> =>
  Promise.all(
    VALUES.map(async (value, place) => {
      const json = JSON.stringify(value);
      return `${json.slice(0, 60)}: ${await work(json, place)}`;
    }),
  );

describe.each(TYPES.map((type, index) => ({ type, index })))('$type', ({ type, index }) => {
  it('takes and refuses values as PostgreSQL itself reads them from JSON', async () => {
    const written = await outcomes((json, place) => writeTo(columnOf(index), index * 1000 + place, json));
    expect(written).toEqual(await outcomes((json) => expected(type, json)));
  });

  it('does so as an argument', async () => {
    // The type of an argument has no length.
    const argument = type.replace(/\(.*/, '');
    const taken = await outcomes(async (json) => {
      const answer = await post(`rpc/take${index}`, `{"v": ${json}}`);
      return outcome(answer, answer.body);
    });
    expect(taken).toEqual(await outcomes((json) => expected(argument, json)));
  });

  // JSON.stringify gives up before these, PostgreSQL behind them, and array types have six dimensions.
  it('takes and refuses JSON of 10,000 levels as PostgreSQL does', async () => {
    const json = '['.repeat(10_000) + ']'.repeat(10_000);
    expect(await writeTo(columnOf(index), index * 1000 + 999, json)).toBe(await expected(type, json));
  });
});

it('answers with the error of the database what has too many levels for it', async () => {
  const json = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
  expect(await writeTo(columnOf(TYPES.indexOf('jsonb')), 999_999, json)).toBe('500 54001');
});
