import type postgres from 'postgres';
import { expect, test } from 'vitest';
import { createSqlDatabase } from '../../../src/server/database/sql-database.ts';
import { listen } from '../../../src/server/worker/listening.ts';

const CHANNEL = 'supapush_00000000000040008000000000000001';

/** A connection that answers what `answer` says, and notes what it was asked. */
function connection(answer: (statement: string) => object[]) {
  const asked: string[] = [];
  let ended = false;
  const tag = (strings: TemplateStringsArray | string) => {
    // A name, as in listen.
    if (typeof strings === 'string') return strings;
    const statement = strings.join('?').trim();
    asked.push(statement);
    return Promise.resolve().then(() => answer(statement));
  };
  const sql = Object.assign(tag, {
    end: async () => {
      ended = true;
    },
  }) as unknown as postgres.Sql;
  return { sql, asked, isEnded: () => ended };
}

type Handlers = Parameters<Parameters<typeof listen>[0]['openSession']>[0];

function tryOut(options: { backends: [session: number, pool: number]; passesOn: boolean }) {
  let handlers: Handlers | undefined;
  const said: string[] = [];
  const backend = (pid: number) => (statement: string) => {
    if (statement.includes('pg_backend_pid')) return [{ pid }];
    if (statement.includes('pg_notify') && options.passesOn) handlers?.onNotify(CHANNEL);
    return [];
  };
  const session = connection(backend(options.backends[0]));
  const pool = connection(backend(options.backends[1]));
  const listening = listen({
    openSession(given) {
      handlers = given;
      return session.sql;
    },
    pool: createSqlDatabase(() => pool.sql),
    channel: CHANNEL,
    onCall: () => said.push('called'),
    onLost: () => said.push('lost'),
    probeMs: 20,
  });
  return { listening, session, pool, said, handlers: () => handlers as Handlers };
}

test('with a session of its own it listens; what comes after the trial is a call, on its channel alone', async () => {
  const { listening, session, said, handlers } = tryOut({ backends: [1, 2], passesOn: true });
  expect(await listening).not.toBeNull();
  expect(said).toEqual([]);
  handlers().onNotify('another');
  handlers().onNotify(CHANNEL);
  expect(said).toEqual(['called']);
  handlers().onClose();
  expect(said).toEqual(['called', 'lost']);
  expect(session.isEnded(), 'or the driver would open one that does not listen').toBe(true);
});

test('two connections with one backend are a pooler: it does not even try', async () => {
  const { listening, session } = tryOut({ backends: [1, 1], passesOn: true });
  expect(await listening).toBeNull();
  expect(session.asked.join()).not.toContain('listen');
  expect(session.isEnded()).toBe(true);
});

test('where no notification comes it does not listen, and takes it back', async () => {
  const { listening, session, said, handlers } = tryOut({ backends: [1, 2], passesOn: false });
  expect(await listening).toBeNull();
  expect(session.asked.at(-1)).toContain('unlisten');
  expect(session.isEnded()).toBe(true);
  handlers().onClose();
  expect(said, 'it was closed on purpose').toEqual([]);
});

test('a database that does not answer is no pooler: it throws, and closes what it opened', async () => {
  const session = connection(() => {
    throw Object.assign(new Error('the database system is starting up'), { code: '57P03' });
  });
  const listening = listen({
    openSession: () => session.sql,
    pool: createSqlDatabase(() => session.sql),
    channel: CHANNEL,
    onCall: () => {},
    onLost: () => {},
  });
  await expect(listening).rejects.toMatchObject({
    code: 'queue_unreachable',
    message: 'pg_backend_pid failed: 57P03 the database system is starting up',
  });
  expect(session.isEnded()).toBe(true);
});
