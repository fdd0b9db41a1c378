import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openConnections } from '../../../src/cli/worker/connections.ts';
import { configureWorker } from '../../../src/server/worker/configured-worker.ts';
import { createWorkerState } from '../../../src/server/worker/worker-metrics.ts';
import { queueOne } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';
import { sharedVapid } from '../../support/worker-process.ts';

const db = useDatabase();
const role = `worker_${randomUUID().replaceAll('-', '')}`;

beforeAll(async () => {
  const { sql } = db();
  await sql.unsafe(`create role ${role} login password '${role}'`);
  await sql`select push.allow_worker(${role}::regrole)`;
});

afterAll(async () => {
  await db().sql.unsafe(`grant ${role} to postgres; drop owned by ${role}; drop role ${role}`);
});

/** Runs a worker of this role until it ends by itself. */
async function runWorker(): Promise<void> {
  const login = new URL(db().url);
  login.username = role;
  login.password = role;
  const worker = await configureWorker({ ...sharedVapid(), SUPABASE_URL: 'http://127.0.0.1:54321' });
  const { pool } = openConnections(login.href);
  try {
    await worker.run({
      identity: { id: randomUUID(), name: 'a worker', version: '0.1.0' },
      database: pool,
      openSession: null,
      state: createWorkerState(Date.now()),
      log: () => {},
      signal: new AbortController().signal,
    });
  } finally {
    await pool.close();
  }
}

const PUSH_CLAIM = '(uuid, integer, timestamptz, text[], uuid[], integer, text, jsonb, jsonb)';

test('a role that may register and not claim ends its worker, which would swallow what it is called for', async () => {
  const { sql } = db();
  await queueOne(sql);
  await sql.unsafe(`revoke execute on function public.push_claim${PUSH_CLAIM} from ${role}`);
  await expect(runWorker()).rejects.toMatchObject({ cause: { code: '42501' } });
});

test('a database that does not know the protocol of the worker ends it', async () => {
  const { sql } = db();
  await queueOne(sql);
  await sql.unsafe(`
    alter function public.push_claim${PUSH_CLAIM} rename to push_claim_as_it_was;
    create function public.push_claim(p_dispatcher uuid, p_limit integer, p_busy_hosts text[], p_busy_users uuid[], p_protocol integer,
      p_project text, p_rooms jsonb, p_paces jsonb)
    returns json language plpgsql as $$ begin perform push.refuse(400, 'protocol_unknown', 'No.', 'Run: supabase db push'); end $$;
    grant execute on function public.push_claim to ${role};
    alter function public.push_claim security definer`);
  try {
    await expect(runWorker()).rejects.toMatchObject({ cause: { code: 'PT400' } });
  } finally {
    await sql.unsafe(`
      drop function public.push_claim;
      alter function public.push_claim_as_it_was rename to push_claim`);
  }
});
