import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type StackOptions, startStack } from '../../../tools/local/stack.ts';
import type {} from '../../support/migrated-cluster.ts';

const ORIGINAL = 'https://abcdefghijklmnopqrst.supabase.co';

let stateDirectory: string;
beforeAll(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), 'kept-database-'));
  // mkdtemp lets only its owner in; under root, Postgres runs as another user.
  await chmod(stateDirectory, 0o755);
});
afterAll(() => rm(stateDirectory, { recursive: true, force: true }));

/** Starts a stack on the kept database, lets `work` at it, and stops it; returns what it logged. */
async function run(ports: StackOptions['ports'], work: (sql: postgres.Sql) => Promise<unknown>) {
  const log: string[] = [];
  const stack = await startStack({
    stateDirectory,
    cluster: inject('cluster'),
    functions: false,
    workers: { net: false, cron: false },
    ...(ports && { ports }),
    log: (line) => void log.push(line),
  });
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end();
    await stack.stop();
  }
  return { log: log.join('\n'), url: stack.url };
}

const held = async (sql: postgres.Sql) => (await sql`select push.is_held() as held`)[0]?.held;

test('a local stack is itself on another port too; a copy of another project in it is held, and says so', async () => {
  const first = await run(undefined, async (sql) => expect(await held(sql)).toBe(false));
  // Any free one in place of the one it had.
  const second = await run({ gateway: 0 }, async (sql) => {
    expect(await held(sql)).toBe(false);
    await sql`update push.project set url = ${ORIGINAL}`;
  });
  expect(second.url).not.toBe(first.url);
  expect(second.log).not.toContain('push.adopt()');

  const third = await run(undefined, async (sql) => {
    expect(await held(sql)).toBe(true);
    await sql`select push.adopt()`;
    expect(await held(sql)).toBe(false);
  });
  expect(third.log).toContain(ORIGINAL);
  expect(third.log).toContain('push.adopt()');
}, 180_000);
