import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { isRunning } from '../../../tools/local/postgres/server-process.ts';
import { type Stack, startStack } from '../../../tools/local/stack.ts';
import type {} from '../../support/migrated-cluster.ts';
import { expectNoTraces, expectNothingBelow, startProcess, type Traces } from './local-process.ts';
import { makeProject, type TempProject } from './temp-project.ts';

const HOLD = fileURLToPath(new URL('./hold-stack.ts', import.meta.url));

let project: TempProject;
beforeAll(async () => {
  project = await makeProject({
    'functions/hello/index.ts': `Deno.serve(() => new Response('hello'));`,
    'config.toml': '[functions.hello]\nverify_jwt = false',
  });
});
afterAll(() => project.remove());

// Most start on a copy of a cluster: making one takes longer than what they look at.
const start = ({ directory }: TempProject): Promise<Stack> =>
  startStack({ projectDirectory: directory, cluster: inject('cluster') });

function tracesOf(stack: Stack): Required<Traces> {
  return {
    pids: stack.pids(),
    ports: [stack.url, stack.databaseUrl, stack.pushServiceUrl].map((url) => Number(new URL(url).port)),
    folder: dirname(stack.postgres.directory),
  };
}

describe('a stack leaves no process, port or temporary folder', () => {
  it('when it is stopped, however often', async () => {
    const stack = await startStack({ projectDirectory: project.directory });
    const traces = tracesOf(stack);
    expect(traces.pids.filter(isRunning)).toEqual(traces.pids);
    expect(existsSync(traces.folder)).toBe(true);
    await Promise.all([stack.stop(), stack.stop()]);
    expect(traces.pids.filter(isRunning)).toEqual([]);
    expect(existsSync(traces.folder)).toBe(false);
    await expectNoTraces(traces);
  });

  it('when a request hangs in a function and a query in the database', async () => {
    const hanging = await makeProject({
      'functions/hello/index.ts': `Deno.serve(() => new Promise(() => {}));`,
      'config.toml': '[functions.hello]\nverify_jwt = false',
      'migrations/1_slow.sql': `create function public.slow() returns void language sql as $$ select pg_sleep(60) $$;`,
    });
    const stack = await start(hanging);
    const traces = tracesOf(stack);
    const requests = [
      fetch(`${stack.url}/functions/v1/hello`),
      fetch(`${stack.url}/rest/v1/rpc/slow`, { method: 'POST', headers: { apikey: stack.secretKey } }),
    ].map((request) => request.then(() => 'answered').catch(() => 'cut off'));
    const sql = postgres(stack.superuserDatabaseUrl, { max: 1 });
    await expect
      .poll(() => sql`select from pg_stat_activity where query like '%slow%' and wait_event = 'PgSleep'`, {
        timeout: 5_000,
      })
      .toHaveLength(1);
    await sql.end();
    await stack.stop();
    expect(await Promise.all(requests)).toEqual(['cut off', 'cut off']);
    await expectNoTraces(traces);
    await hanging.remove();
  });

  it('when a part fails to start', async () => {
    const failing = await makeProject({ 'migrations/1_bad.sql': 'select from nowhere;', 'tmp/.keep': '' });
    const temporary = join(failing.directory, 'supabase', 'tmp');
    const holder = startProcess(process.execPath, [HOLD, failing.directory], {
      ...process.env,
      TMPDIR: temporary,
    });
    expect(await holder.ended).toBe(1);
    expect(holder.stderr.join('\n')).toContain('1_bad.sql');
    await expectNothingBelow(temporary);
    await failing.remove();
  });

  it.each([
    ['SIGKILL', 'SIGKILL'],
    ['SIGTERM', 0],
  ] as const)('when its process gets %s while Postgres is being set up', async (signal, code) => {
    const starting = await makeProject({ 'tmp/.keep': '' });
    const temporary = join(starting.directory, 'supabase', 'tmp');
    const holder = startProcess(process.execPath, [HOLD, starting.directory], {
      ...process.env,
      TMPDIR: temporary,
    });
    const data = async (): Promise<string[]> => {
      const [folder] = (await readdir(temporary)).filter((name) => name.startsWith('supapush-'));
      return folder ? await readdir(join(temporary, folder, 'postgres', 'data')).catch(() => []) : [];
    };
    await expect.poll(async () => (await data()).length, { timeout: 10_000, interval: 5 }).toBeGreaterThan(0);
    holder.child.kill(signal);
    expect(await holder.ended).toBe(code);
    await expectNothingBelow(temporary);
    await starting.remove();
  });

  it.each([
    ['SIGINT', 0],
    ['SIGTERM', 0],
    ['SIGHUP', 0],
    ['SIGKILL', 'SIGKILL'],
  ] as const)('when its process gets %s', async (signal, code) => {
    const holder = startProcess(process.execPath, [HOLD, project.directory, '', inject('cluster')]);
    const traces = (await holder.ready()) as Traces;
    holder.child.kill(signal);
    expect(await holder.ended).toBe(code);
    await expectNoTraces(traces);
  });

  it.each([
    ['exit', 3],
    ['throw', 1],
    ['reject', 1],
  ] as const)('when its process ends by %s', async (ending, code) => {
    const holder = startProcess(process.execPath, [HOLD, project.directory, ending, inject('cluster')]);
    const traces = (await holder.ready()) as Traces;
    holder.child.stdin?.write('now');
    expect(await holder.ended).toBe(code);
    await expectNoTraces(traces);
  });
});

describe('two stacks', () => {
  it('run side by side on their own ports, keys and databases', async () => {
    const [one, two] = await Promise.all([start(project), start(project)]);
    for (const key of [
      'url',
      'publishableKey',
      'secretKey',
      'databaseUrl',
      'pushServiceUrl',
      'vapidPublicKey',
    ] as const) {
      expect(one[key]).not.toBe(two[key]);
    }
    const answers = await Promise.all([one, two].map((stack) => fetch(`${stack.url}/functions/v1/hello`)));
    expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(['hello', 'hello']);
    const foreign = await fetch(`${one.url}/rest/v1/x`, { headers: { apikey: two.secretKey } });
    expect(foreign.status).toBe(401);
    await one.stop();
    expect((await fetch(`${two.url}/functions/v1/hello`)).status).toBe(200);
    await two.stop();
  });
});

describe('a crash of the database', () => {
  it('empties unlogged tables, keeps the others, and the API finds it again', async () => {
    const crashing = await makeProject({
      'migrations/1_tables.sql': `
        create table public.kept (id int); grant select on public.kept to service_role; insert into public.kept values (1);
        create unlogged table public.lost (id int); grant select on public.lost to service_role; insert into public.lost values (1);`,
    });
    const stack = await start(crashing);
    const read = async (table: string): Promise<unknown> => {
      const answer = await fetch(`${stack.url}/rest/v1/${table}`, { headers: { apikey: stack.secretKey } });
      return await answer.json();
    };
    expect([await read('kept'), await read('lost')]).toEqual([[{ id: 1 }], [{ id: 1 }]]);
    await stack.crashDatabase();
    await expect.poll(() => read('kept'), { timeout: 10_000 }).toEqual([{ id: 1 }]);
    expect(await read('lost')).toEqual([]);
    await stack.stop();
    await crashing.remove();
  });
});
