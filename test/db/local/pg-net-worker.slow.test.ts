import type { ServerResponse } from 'node:http';
import postgres from 'postgres';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startPgNetWorker } from '../../../tools/local/workers/pg-net-worker.ts';
import type { Worker } from '../../../tools/local/workers/worker-session.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { type HttpRecorder, startHttpRecorder } from './http-recorder.ts';
import { ManualClock } from './manual-clock.ts';

const BOUND = { timeout: 15_000, interval: 5 };
let database: TestDatabase;
let sql: postgres.Sql;
let clock: ManualClock;
let worker: Worker;
let server: HttpRecorder;
/** Requests for /held wait here for their answer. */
let held: ServerResponse[];
/** Paths in the order of arrival, and when the worker gave one up. */
let events: string[];

beforeEach(async () => {
  database = await createTestDatabase({ migrations: false });
  sql = database.sql;
  await sql`create extension pg_net`;
  clock = new ManualClock('2026-01-01T00:00:00Z');
  held = [];
  events = [];
  server = await startHttpRecorder((request, response) => {
    events.push(request.path);
    response.once('close', () => {
      if (!response.writableEnded) events.push(`${request.path} given up`);
    });
    if (request.path.startsWith('/held')) held.push(response);
    else if (request.path === '/moved') response.writeHead(302, { location: '/here' }).end();
    else if (request.path === '/broken') response.writeHead(500, { 'content-type': 'text/plain' }).end('no');
    else response.end('ok');
  });
  worker = await startPgNetWorker({ databaseUrl: database.superuserUrl, clock });
  // The worker looks once, finds nothing, and after one pause waits for a commit.
  await pauses();
  clock.advance(1000);
});

afterEach(async () => {
  await worker.stop();
  await server.close();
  await database.drop();
});

const paths = (): string[] => server.requests.map(({ path }) => path);
const arrives = (path: string) => vi.waitFor(() => expect(paths()).toContain(path), BOUND);
const pauses = () => vi.waitFor(() => expect(clock.pending).toEqual([1000]), BOUND);

/** The answer to a request, without any pause passing. */
const response = (id: string) =>
  vi.waitFor(async () => {
    const [row] = await sql`select * from net._http_response where id = ${id}`;
    expect(row).toBeDefined();
    return row as postgres.Row;
  }, BOUND);

/** The answer to a request, letting the worker's pauses pass. */
const laterResponse = (id: string) =>
  vi.waitFor(async () => {
    clock.advance(1000);
    const [row] = await sql`select * from net._http_response where id = ${id}`;
    expect(row).toBeDefined();
    return row as postgres.Row;
  }, BOUND);

async function post(path: string, client: postgres.Sql | postgres.TransactionSql = sql): Promise<string> {
  const [row] = await client`select net.http_post(${server.url + path})::text as id`;
  return row?.id;
}

test('a request is sent with its body, parameters and headers, and its answer is recorded', async () => {
  const [row] = await sql`
    select net.http_post(
      ${`${server.url}/x?a=1`}, '{"k": "ä"}', '{"q": "b c&d"}', '{"X-Own": "yes"}'
    )::text as id
  `;
  const answer = await response(row?.id);
  expect(server.requests).toMatchObject([
    {
      method: 'POST',
      path: '/x?a=1&q=b%20c%26d',
      body: '{"k": "ä"}',
      headers: { 'x-own': 'yes', 'content-type': 'application/json', 'user-agent': 'pg_net/0.20.0' },
    },
  ]);
  expect(answer).toMatchObject({ status_code: 200, content: 'ok', timed_out: false, error_msg: null });
  expect(answer.headers).toMatchObject({ 'content-length': '2' });
});

test('GET and DELETE are sent with their method, DELETE with a body if it has one', async () => {
  await sql`select net.http_get(${`${server.url}/get`}), net.http_delete(${`${server.url}/delete`}, body := '[1]')`;
  await arrives('/get');
  await arrives('/delete');
  const seen = server.requests.map(({ method, path, body }) => ({ method, path, body }));
  expect(seen).toContainEqual({ method: 'GET', path: '/get', body: '' });
  expect(seen).toContainEqual({ method: 'DELETE', path: '/delete', body: '[1]' });
});

test.each(['ftp://127.0.0.1/x', 'file:///etc/passwd'])(
  '%s is queued like any other request, and fails when it comes to sending',
  async (url) => {
    const [row] = await sql`select net.http_get(${url})::text as id`;
    expect(await response(row?.id)).toMatchObject({
      status_code: null,
      content: null,
      timed_out: false,
      error_msg: 'Unsupported protocol',
    });
  },
);

test('nothing is sent before commit', async () => {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let inside = (): void => {};
  const posted = new Promise<void>((resolve) => {
    inside = resolve;
  });
  const open = sql.begin(async (transaction) => {
    await post('/uncommitted', transaction);
    inside();
    await released;
  });
  await posted;
  await response(await post('/committed'));
  expect(paths()).toEqual(['/committed']);
  release();
  await open;
  await arrives('/uncommitted');
});

test('rollback, savepoint rollback and a caught exception send nothing', async () => {
  await expect(
    sql.begin(async (transaction) => {
      await post('/rolled-back', transaction);
      throw new Error('rollback');
    }),
  ).rejects.toThrow('rollback');
  await sql.begin(async (transaction) => {
    await transaction
      .savepoint(async (savepoint) => {
        await post('/savepoint', savepoint);
        throw new Error('to savepoint');
      })
      .catch(() => {});
  });
  await sql.unsafe(`do $$ begin
    perform net.http_post('${server.url}/caught');
    raise exception 'caught';
  exception when raise_exception then null;
  end $$`);
  await response(await post('/sent'));
  expect(paths()).toEqual(['/sent']);
});

test('a batch is 200 requests, and the rest waits for every answer and then a second', async () => {
  await sql`select net.http_post(${`${server.url}/held`}, timeout_milliseconds := 60000) from generate_series(1, 250)`;
  await vi.waitFor(() => expect(held).toHaveLength(200), BOUND);
  for (const answer of held.slice(1)) answer.end();
  // One answer is outstanding: no pause has begun, no row is written, nothing more is sent.
  const [[written], [waiting]] = await Promise.all([
    sql`select count(*)::int as n from net._http_response`,
    sql`select count(*)::int as n from net.http_request_queue`,
  ]);
  expect({ written: written?.n, waiting: waiting?.n }).toEqual({ written: 0, waiting: 250 });
  expect(clock.pending).toEqual([]);

  const paused = clock.nextWait();
  held[0]?.end();
  await paused;
  expect(clock.pending).toEqual([1000]);
  const [answered] = await sql`select count(*)::int as n from net._http_response`;
  expect(answered?.n).toBe(200);
  expect(server.requests).toHaveLength(200);

  clock.advance(999);
  expect(clock.pending).toEqual([1]);
  clock.advance(1);
  await vi.waitFor(() => expect(held).toHaveLength(250), BOUND);
});

test('a commit cuts the pause of a busy worker short once, the next one waits the second', async () => {
  await response(await post('/first'));
  await pauses();
  const again = clock.nextWait();
  await post('/second');
  await again;
  expect(paths()).toEqual(['/first', '/second']);
  await post('/third');
  // A later commit has been seen by the worker once this notification has come back to a listener like it.
  const seen = Promise.withResolvers<void>();
  const listener = await sql.listen('pg_net_wake', () => seen.resolve());
  await post('/fourth');
  await seen.promise;
  await listener.unlisten();
  expect(clock.pending).toEqual([1000]);
  expect(paths()).toEqual(['/first', '/second']);
  clock.advance(1000);
  await arrives('/third');
  await arrives('/fourth');
});

test('one hanging address holds up everybody until its timeout', async () => {
  const [row] = await sql`
    select net.http_post(${`${server.url}/held`}, timeout_milliseconds := 300)::text as id
  `;
  await vi.waitFor(() => expect(held).toHaveLength(1), BOUND);
  const behind = await post('/behind');
  const timedOut = await response(row?.id);
  expect(timedOut).toMatchObject({ timed_out: true, status_code: null });
  expect(timedOut.error_msg).toMatch(/^Timeout of 300 ms reached/);
  await response(behind);
  expect(events).toEqual(['/held', '/held given up', '/behind']);
});

test('a refused connection is recorded with its error, a 500 as an ordinary answer, and neither is retried', async () => {
  const closed = await startHttpRecorder();
  await closed.close();
  const [refused] = await sql`select net.http_post(${closed.url})::text as id`;
  expect(await response(refused?.id)).toMatchObject({
    status_code: null,
    timed_out: false,
    error_msg: "Couldn't connect to server",
  });
  expect(await laterResponse(await post('/broken'))).toMatchObject({
    status_code: 500,
    content: 'no',
    content_type: 'text/plain',
  });
  await laterResponse(await post('/later'));
  expect(paths()).toEqual(['/broken', '/later']);
  const [left] = await sql`select count(*)::int as n from net.http_request_queue`;
  expect(left?.n).toBe(0);
});

test('redirects are followed', async () => {
  expect(await response(await post('/moved'))).toMatchObject({ status_code: 200, content: 'ok' });
  expect(paths()).toEqual(['/moved', '/here']);
});

test('answers older than six hours are deleted', async () => {
  await sql`
    insert into net._http_response (id, created)
    values (-1, now() - interval '6 hours 1 minute'), (-2, now() - interval '5 hours 59 minutes')
  `;
  await response(await post('/any'));
  const rows = await sql`select id::text as id from net._http_response where id < 0`;
  expect(rows.map(({ id }) => id)).toEqual(['-2']);
});

test('a stopped worker sends nothing more and leaves no connection', async () => {
  await post('/held');
  await vi.waitFor(() => expect(held).toHaveLength(1), BOUND);
  await worker.stop();
  await worker.stop();
  await post('/after');
  await vi.waitFor(async () => {
    const rows = await sql`
      select from pg_stat_activity where application_name like 'pg_net %' and datname = current_database()
    `;
    expect(rows).toHaveLength(0);
  }, BOUND);
  expect(paths()).toEqual(['/held']);
  const queue = await sql`select url from net.http_request_queue`;
  expect(queue.map(({ url }) => url)).toEqual([`${server.url}/after`]);
});

test('a worker whose connection is cut comes back and goes on', async () => {
  const admin = postgres(database.superuserUrl, { max: 1 });
  await admin`
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name like 'pg_net %' and datname = current_database()
  `;
  await admin.end();
  expect(await response(await post('/again'))).toMatchObject({ status_code: 200 });
});

test('waiting for the worker returns while one is up', async () => {
  await sql`select net.wait_until_running(), net.check_worker_is_up()`;
  await worker.stop();
  await vi.waitFor(
    () => expect(sql`select net.check_worker_is_up()`).rejects.toThrow('background worker is not up'),
    BOUND,
  );
});
