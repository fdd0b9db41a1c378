import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { createRecipients, type Recipient } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';
import { notifyTopic, type Progress, readProgress } from '../../support/topics.ts';

const MEMBERS = 20_000;
const DEVICES = 500;

let stack: Stack;
let sql: postgres.Sql;
let recipients: Recipient[];

beforeAll(async () => {
  // Without pg_cron: the tests tick by themselves.
  stack = await startMigratedStack({ workers: { cron: false } });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
  recipients = await createRecipients(sql, stack.pushService, DEVICES);
  // In the order of the fan-out.
  recipients.sort((one, other) => (one.userId < other.userId ? -1 : 1));
  await sql`insert into auth.users (id) select gen_random_uuid() from generate_series(1, ${MEMBERS - DEVICES})`;
  await sql`insert into public.push_topics (key, title) values ('news', 'News')`;
  await sql`insert into public.push_topic_members (topic, user_id) select 'news', id from auth.users`;
  await sql`update push.settings set backoff_base = '100 milliseconds'`;
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

// What a test has in flight is not the next one's.
beforeEach(async () => {
  await sql`delete from public.push_notifications`;
});

/** How often each device got the message of that title. */
function arrivals(title: string): number[] {
  return recipients.map(
    ({ device }) =>
      device.messages.filter(
        ({ json }) => (json as { notification: { title: string } }).notification.title === title,
      ).length,
  );
}

const IN_FLIGHT = 60;

/**
 * Notifies all, and comes back when the message stands still: from the device at `place` on none answers, the push
 * service has as many requests as it may, and others wait. `goOn` lets them answer.
 */
async function stopInTheMiddle(
  title: string,
  place: number,
): Promise<{ id: string; goOn: () => Promise<void> }> {
  const silent = recipients.slice(place).map(({ device }) => device.endpoint);
  for (const endpoint of silent) stack.pushService.script(endpoint, { kind: 'hang' });
  await sql`update push.hosts set max_in_flight = ${IN_FLIGHT}`;
  const id = await notifyTopic(sql, 'news', { title });
  await eventually(
    async () =>
      (
        await sql`
      select count(*) filter (where state = 'sending')::int as sending, count(*) filter (where state = 'queued')::int as queued
      from push.deliveries`
      )[0],
    (found) => found?.sending === IN_FLIGHT && found.queued > 0,
  );
  return {
    id,
    async goOn() {
      for (const endpoint of silent) stack.pushService.script(endpoint, []);
      await sql`update push.hosts set max_in_flight = 500`;
    },
  };
}

test('one row reaches 20,000 members: 500 devices get it once, and its progress can be followed', async () => {
  await sql`update push.settings set fan_out_chunk = 200`;
  const id = await sql.begin(async (t) => {
    const made = await notifyTopic(t, 'news', { title: 'Followed' });
    expect(await t`select from push.deliveries`).toHaveLength(0);
    expect(await readProgress(t, made)).toMatchObject({ status: 'fanning_out', members: 0, total: 0 });
    return made;
  });
  const seen: Progress[] = [];
  await eventually(
    async () => {
      const progress = await readProgress(sql, id);
      seen.push(progress);
      return progress;
    },
    ({ status, sent }) => status === 'queued' && sent === DEVICES,
    60_000,
  );
  expect(seen.some(({ members, sent }) => members > 0 && members < MEMBERS && sent > 0)).toBe(true);
  for (const { total, queued, sent } of seen) expect(queued + sent).toBe(total);
  expect(seen.at(-1)).toMatchObject({ members: MEMBERS, total: DEVICES, queued: 0, failed: 0 });
  expect(new Set(arrivals('Followed'))).toEqual(new Set([1]));
}, 90_000);

test('cancelled in the middle, it reaches no further member', async () => {
  await sql`update push.settings set fan_out_chunk = 1000`;
  const { id, goOn } = await stopInTheMiddle('Cancelled', DEVICES / 2);
  const [row] = await sql<{ cancelled: string }[]>`select push.cancel(${id}) as cancelled`;
  expect(Number(row?.cancelled)).toBeGreaterThan(0);
  await goOn();
  const end = await eventually(
    () => readProgress(sql, id),
    ({ queued }) => queued === 0,
  );
  expect(end).toMatchObject({ status: 'cancelled', total: end.sent + end.cancelled });
  expect(end.members).toBeLessThan(MEMBERS);
  const counts = arrivals('Cancelled');
  expect(counts.filter((count) => count === 1)).toHaveLength(end.sent);
  // Those whose turn had not come.
  expect(counts.slice(-100)).toEqual(Array(100).fill(0));
}, 90_000);

test('kill -9 of the function in the middle: it goes on where it was, and no member is left out', async () => {
  const { id, goOn } = await stopInTheMiddle('Killed', DEVICES / 2);
  const pid = stack.functions?.pid('push-dispatch') as number;
  process.kill(pid, 'SIGKILL');
  await eventually(
    () => stack.functions?.pid('push-dispatch'),
    (now) => now !== undefined && now !== pid,
  );
  const before = await readProgress(sql, id);
  expect(before).toMatchObject({ status: 'fanning_out' });
  expect(before.sent).toBeLessThan(DEVICES);

  await goOn();
  // What the tick does when the leases are over.
  const [tick] = await sql`select push.tick(clock_timestamp() + interval '90 seconds') as result`;
  expect(tick?.result).toMatchObject({ rung: true });
  const inFlight = tick?.result.recovered as number;
  expect(inFlight).toBeGreaterThan(0);
  await eventually(
    () => readProgress(sql, id),
    ({ status, sent }) => status === 'queued' && sent === DEVICES,
    60_000,
  );
  const counts = arrivals('Killed');
  expect(Math.min(...counts)).toBe(1);
  // Twice only what was under way when it was killed.
  expect(counts.filter((count) => count > 1).length).toBeLessThanOrEqual(inFlight);
}, 90_000);
