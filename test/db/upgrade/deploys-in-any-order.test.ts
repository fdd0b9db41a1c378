import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ClaimedDelivery } from '../../../src/server/channels/channel.ts';
import { createDeliveryQueue } from '../../../src/server/database/delivery-queue.ts';
import { PROCESS_CEILINGS } from '../../../src/server/dispatch/ceilings.ts';
import { dispatch } from '../../../src/server/dispatch/dispatcher.ts';
import { clientOf, migrate, nextClientOf } from '../../support/next-release.ts';
import { createTestDatabase, createUser, type TestDatabase } from '../../support/postgres.ts';
import { notify } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';

// A deploy takes a while, in which database and functions are of two releases. A dispatcher of 0.1.0, which is the real one, and
// one of a 0.2.0 that never was send meanwhile; every message has to arrive, once.

let database: TestDatabase;
let sql: postgres.Sql;
beforeEach(async () => {
  database = await createTestDatabase();
  sql = database.sql;
});
afterEach(() => database.drop());

/** A message for each of as many users. */
async function tell(count: number, from = 0): Promise<void> {
  for (let index = from; index < from + count; index += 1) {
    const { id } = await createUser(sql);
    await subscribe(sql, id);
    await notify(sql, id, { title: `Message ${index}` });
  }
}

/** A dispatcher, and what it sent; the first message is held until `go` is called. */
function dispatcherOf(client: Parameters<typeof createDeliveryQueue>[0], sent: string[], most = 1000) {
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const send = async ({ content }: ClaimedDelivery) => {
    begun.resolve();
    await gate.promise;
    sent.push(content.title);
    return { outcome: 'sent' as const, status: 201 };
  };
  const queue = createDeliveryQueue(client, 'http://localhost:54321');
  const done = dispatch(randomUUID(), {
    queue,
    channels: { webpush: { send }, fcm: { send } },
    ceilings: { ...PROCESS_CEILINGS, claim: 4 },
    lingerMs: 0,
    // What it takes, and then it ends: so that one of two leaves some to the other.
    budget: { deliveries: most, milliseconds: 60_000 },
  });
  return { begun: begun.promise, go: gate.resolve, done };
}

const titles = (count: number) => Array.from({ length: count }, (_, index) => `Message ${index}`).sort();

async function expectAllSentOnce(sent: string[], count: number): Promise<void> {
  expect(sent.toSorted()).toEqual(titles(count));
  const rows = await sql`select state, count(*)::int as count from push.deliveries group by state`;
  expect(rows).toEqual([{ state: 'sent', count }]);
}

test('database first: a dispatcher of the release before goes on, and reports what it had claimed', async () => {
  await tell(10);
  const sent: string[] = [];
  const old = dispatcherOf(clientOf(sql), sent);
  await old.begun;
  await migrate(sql);
  await tell(5, 10);
  old.go();
  expect(await old.done).toMatchObject({ claimed: 15, outcomes: { sent: 15 } });
  await expectAllSentOnce(sent, 15);
});

test('functions first: a dispatcher of the next release speaks the protocol that the database knows', async () => {
  await tell(10);
  const sent: string[] = [];
  const { client, spoken } = nextClientOf(sql);
  const next = dispatcherOf(client, sent);
  await next.begun;
  expect(spoken[2]).toBe(0);
  await migrate(sql);
  await tell(5, 10);
  next.go();
  await next.done;
  await expectAllSentOnce(sent, 15);
  expect(spoken[2]).toBeGreaterThan(0);
});

test('both at once while the migration is applied: nothing is lost, and nothing is sent twice', async () => {
  await tell(20);
  const sent: string[] = [];
  const old = dispatcherOf(clientOf(sql), sent, 10);
  const next = dispatcherOf(nextClientOf(sql).client, sent, 10);
  await Promise.all([old.begun, next.begun]);
  const migrated = migrate(sql);
  old.go();
  next.go();
  await tell(10, 20);
  await Promise.all([migrated, old.done, next.done]);
  const rest = dispatcherOf(clientOf(sql), sent);
  rest.go();
  await rest.done;
  await expectAllSentOnce(sent, 30);
});

test('a database that is asked for a protocol it does not know refuses, and claims nothing', async () => {
  await tell(1);
  const { data, error } = await clientOf(sql).rpc('push_claim', {
    p_dispatcher: randomUUID(),
    p_protocol: 9,
  });
  expect([data, error?.details]).toEqual([null, 'protocol_unknown']);
  expect(await sql`select claims from push.queue`).toEqual([{ claims: 0 }]);
});
