import { expect, test } from 'vitest';
import { runChecks } from '../../../src/cli/doctor/check.ts';
import { FUNCTION_CHECKS } from '../../../src/cli/doctor/functions.ts';
import { serveAnswers } from '../../support/http-answers.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';
const named = (name: string) => ({ body: { function: name, status: 'ok' } });

/** What doctor finds while pg_net answers like this: by the last part of a URL, and to the bell. */
async function look(answer: ((name: string, isBell: boolean) => object) | null) {
  const { sql } = db();
  const projectUrl = await serveAnswers(
    Object.fromEntries(
      ['push-dispatch', 'push-events', 'push-health', 'push-quotes'].map((name) => [
        `/functions/v1/${name}`,
        named(name),
      ]),
    ),
  );
  await sql`delete from push.project`;
  await sql`select push.connect(${projectUrl}, ${BELL_SECRET})`;
  const facts = {
    projectUrl,
    version: '0.1.0',
    vapidKey: null,
    sql,
    file: '.env',
    connect: 'npm run connect',
    publishableKey: undefined,
    patience: answer === null ? 300 : 20_000,
  };
  const looking = runChecks('functions', FUNCTION_CHECKS, facts);
  let requests = 0;
  while (answer !== null && requests < 5) {
    const sent = await sql<{ id: string; url: string; method: string; secret: string | null }[]>`
      delete from net.http_request_queue returning id, url, method, headers ->> 'x-push-bell' as secret`;
    for (const { id, url, method, secret } of sent) {
      const isBell = method === 'POST';
      if (isBell) expect(secret).toBe(BELL_SECRET);
      const row = answer(url.split('/').at(-1) ?? '', isBell);
      await sql`insert into net._http_response ${sql({ id, ...row } as never)}`;
    }
    requests += sent.length;
  }
  const { checks } = await looking;
  const findings = checks.flatMap((check) => check.findings);
  expect(JSON.stringify(findings)).not.toContain(BELL_SECRET);
  return findings;
}

const OK = (_: string, isBell: boolean) =>
  isBell ? { status_code: 400, content: '{"code":"body_malformed"}' } : { status_code: 200 };

test('functions that answer the database, and a bell that is taken, are all right', async () => {
  expect(await look(OK)).toEqual([]);
});

test('a bell that is refused', async () => {
  expect(
    await look((name, isBell) =>
      isBell ? { status_code: 401, content: '{"code":"bell_refused"}' } : OK(name, false),
    ),
  ).toMatchObject([{ code: 'bell_refused', cure: 'npm run connect' }]);
});

test('a function that the database does not reach', async () => {
  expect(
    await look((name, isBell) =>
      name === 'push-events'
        ? { error_msg: "Couldn't resolve host name", timed_out: false }
        : name === 'push-quotes'
          ? { timed_out: true }
          : OK(name, isBell),
    ),
  ).toMatchObject([
    {
      code: 'function_unreachable_from_database',
      message: expect.stringMatching(/push-events.*resolve host/),
    },
    {
      code: 'function_unreachable_from_database',
      message: expect.stringMatching(/push-quotes.*took too long/),
    },
  ]);
});

test('pg_net that sends nothing', async () => {
  expect(await look(null)).toMatchObject([{ code: 'pg_net_stands_still' }]);
});
