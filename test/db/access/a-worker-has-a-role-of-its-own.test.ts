import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claimOne, complete, queueOne, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';
import { heartbeat, workerLeaves } from '../../support/workers.ts';

const db = useDatabase();
const role = `worker_${randomUUID().replaceAll('-', '')}`;
let own: postgres.Sql;

beforeAll(async () => {
  const { sql, url } = db();
  await sql.unsafe(`create role ${role} login password '${role}'`);
  await sql`select push.allow_worker(${role}::regrole)`;
  const login = new URL(url);
  login.username = role;
  login.password = role;
  own = postgres(login.href, { max: 1, onnotice: () => {} });
});

afterAll(async () => {
  await own?.end({ timeout: 0 });
  // As docs/operate/worker.md has it.
  await db().sql.unsafe(`grant ${role} to postgres; drop owned by ${role}; drop role ${role}`);
});

test('it registers, claims, reports, extends leases, fans out and leaves', async () => {
  const { deliveryId } = await queueOne(db().sql);
  const worker = randomUUID();
  await heartbeat(own, { worker, listens: true });
  const now = startOfClock();
  const dispatcher = randomUUID();
  const claimed = await claimOne(own, now, dispatcher);
  expect(claimed.delivery_id).toBe(deliveryId);
  await own`select public.push_heartbeat(${dispatcher}, ${[deliveryId]}::bigint[])`;
  expect(await complete(own, now, [{ ...claimed, outcome: 'sent' }])).toMatchObject({ recorded: 1 });
  expect(await own`select public.push_fan_out() as made`).toEqual([{ made: false }]);
  expect(await own`select public.push_leave(${dispatcher}) as may_leave`).toEqual([{ may_leave: true }]);
  expect(await workerLeaves(own, worker)).toBe(true);
});

test('it may call no other function of ours, and touch no table', async () => {
  const allowed = await own<{ name: string }[]>`
    select p.proname as name from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where (n.nspname = 'push' and has_schema_privilege('push', 'usage') or n.nspname = 'public' and p.proname like 'push\\_%')
      and has_function_privilege(p.oid, 'execute')
    order by p.proname`;
  expect(allowed.map(({ name }) => name)).toEqual([
    'push_claim',
    'push_complete',
    'push_fan_out',
    'push_heartbeat',
    'push_leave',
    'push_worker_heartbeat',
    'push_worker_leave',
  ]);
  const tables = await own`
    select c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('push', 'public', 'auth', 'vault') and c.relkind in ('r', 'p', 'v')
      and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select, insert, update, delete')`;
  expect([...tables]).toEqual([]);
  for (const statement of [
    'select push.ring()',
    'select * from push.queue',
    'select * from push.workers',
    'select public.push_health()',
    "select push.allow_worker('postgres')",
  ]) {
    expect((await refusalOf(own.unsafe(statement))).sqlstate, statement).toBe('42501');
  }
});
