import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { type GatedFunctions, type Passage, startGatedFunctions } from '../../support/gated-functions.ts';
import { duplicates, settle } from '../../support/impatient.ts';
import { createRandom } from '../../support/random-content.ts';
import { createRecipients } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

// A claim takes 200 and a report settles 100: more than two claims, and at least three reports.
const DELIVERIES = 300;
const SEED = Number(process.env.KILL_SEED ?? 20_261_121);

type Point = Passage | { call: 'arrival'; number: number };

const random = createRandom(SEED);
const stage = (): Passage['stage'] => (random(2) === 0 ? 'asked' : 'answered');
/** Where in the life of a dispatcher it may be killed. */
const PHASES: [string, () => Point][] = [
  [
    'before its first claim',
    () =>
      random(3) === 0
        ? { call: 'push_claim', number: 1, stage: 'asked' }
        : { call: 'bell', number: 1, stage: stage() },
  ],
  ['while it claims', () => ({ call: 'push_claim', number: 1 + random(3), stage: stage() })],
  ['while it sends', () => ({ call: 'arrival', number: 1 + random(DELIVERIES - 1) })],
  ['while it reports', () => ({ call: 'push_complete', number: 1 + random(3), stage: stage() })],
  ['while it leaves', () => ({ call: 'push_leave', number: 1, stage: stage() })],
];
const KILLS = Array.from({ length: 4 }, () =>
  PHASES.map(([phase, choose]) => ({ phase, point: choose() })),
).flat();

let stack: Stack;
let sql: postgres.Sql;
let gated: GatedFunctions;
let repeated = 0;

beforeAll(async () => {
  console.log(`KILL_SEED=${SEED} makes these kills again`);
  // Without pg_cron: the test ticks by itself.
  stack = await startMigratedStack({ workers: { cron: false }, functions: false });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
  gated = await startGatedFunctions(stack, sql);
});

afterAll(async () => {
  console.log(`${KILLS.length} kills: ${repeated} deliveries came a second time`);
  await sql?.end();
  await gated?.stop();
  await stack?.stop();
});

/** Ends the process at that point of its life; resolves when it is gone and nothing of it is under way. */
async function killAt(point: Point, begin: () => Promise<unknown>): Promise<void> {
  const pid = gated.functions.pid('push-dispatch') as number;
  const before = stack.pushService.received.length;
  const killed = Promise.withResolvers<void>();
  const kill = () => {
    process.kill(pid, 'SIGKILL');
    killed.resolve();
    return false;
  };
  if (point.call === 'arrival') {
    const arrived = stack.pushService.waitFor(() => true, {
      count: before + point.number,
      timeoutMs: 30_000,
    });
    arrived.then(kill, killed.reject);
  } else {
    gated.gate = (passage) =>
      passage.call !== point.call ||
      passage.number !== point.number ||
      passage.stage !== (point as Passage).stage ||
      kill();
  }
  await begin();
  await killed.promise;
  await eventually(
    () => gated.functions.pid('push-dispatch'),
    (now) => now !== undefined && now !== pid,
  );
  await eventually(
    () => gated.underWay,
    (count) => count === 0,
  );
}

test.each(KILLS.map((kill, index) => ({ ...kill, index: index + 1 })))(
  'kill $index, $phase ($point.call $point.number $point.stage): everything arrives, and twice only what was under way',
  async ({ phase, point, index }) => {
    await sql`delete from public.push_notifications`;
    gated.reset();
    const recipients = await createRecipients(sql, stack.pushService, 20);
    const users = recipients.map(({ userId }) => userId);
    const notify = (first: number, last: number) => sql`
      insert into public.push_notifications (user_id, title)
      select (${users}::uuid[])[1 + n % 20], 'Message ' || n
      from generate_series(${first}::int, ${last}::int) as n`;

    await killAt(point, () => notify(1, DELIVERIES));
    gated.reset();
    const underWay = await sql<{ title: string }[]>`
      select n.title from push.deliveries as d join public.push_notifications as n on n.id = d.notification_id
      where d.state = 'sending'`;
    const dead = (await sql<{ id: string }[]>`select id from push.dispatchers`).map(({ id }) => id);
    // This message counts on the dispatcher that is dead.
    await notify(DELIVERIES + 1, DELIVERIES + 1);
    // Its leases are over: what happens a minute later.
    await sql`update push.queue set lease_until = clock_timestamp()
      where lease_until is not null and dispatcher_id = any (${dead}::uuid[])`;
    await sql`select push.forget_starts()`;
    await sql`update push.dispatchers set lease_until = clock_timestamp() where id = any (${dead}::uuid[])`;

    expect(await settle(sql, ['sent'])).toEqual({ sent: DELIVERIES + 1 });
    const arrived = recipients.flatMap(({ device }) => device.messages.map(({ text }) => titleOf(text)));
    expect(new Set(arrived).size).toBe(DELIVERIES + 1);
    const twice = arrived.filter((title, at) => arrived.indexOf(title) !== at);
    expect(underWay.map(({ title }) => title)).toEqual(expect.arrayContaining(twice));
    expect(new Set(twice).size, 'none came three times').toBe(twice.length);
    repeated += duplicates(`kill ${index}, ${phase}`, arrived);
    await eventually(
      () => sql`select from push.dispatchers`,
      (rows) => rows.length === 0,
    );
  },
);

function titleOf(text: string | null): string {
  return JSON.parse(text ?? '').notification.title;
}
