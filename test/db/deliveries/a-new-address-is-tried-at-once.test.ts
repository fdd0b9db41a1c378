import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import {
  type Claimed,
  claim,
  clearQueue,
  complete,
  notify,
  type OutcomeReport,
  plus,
  startOfClock,
} from '../../support/queue.ts';
import { createEndpoint, FCM, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const SENT: OutcomeReport = { outcome: 'sent', status: 201 };
const REFUSED: OutcomeReport = { outcome: 'misconfigured', status: 403, message: 'BadJwtToken' };

const report = (claimed: Claimed[], now: Date, outcome: (row: Claimed) => OutcomeReport) =>
  complete(
    db().sql,
    now,
    claimed.map((row) => ({ ...row, ...outcome(row) })),
  );

/** A user with so many devices, each of which has taken a message unless `proven` is false. */
async function user(devices: number, proven = true, origin: string = FCM): Promise<string> {
  const { sql } = db();
  const { id } = await createUser(sql);
  for (let n = 0; n < devices; n++) await subscribe(sql, id, { endpoint: createEndpoint(origin) });
  if (proven) {
    await notify(sql, id);
    const now = startOfClock();
    await report(await claim(sql, now), now, () => SENT);
  }
  return id;
}

test('what waits for the backoff of a device goes out when the device has a new address', async () => {
  const { sql } = db();
  await user(1);
  const one = await user(1);
  await notify(sql, one, { ttl: 2_419_200 });
  let now = startOfClock();
  for (let hour = 0; hour < 8; hour++) {
    now = plus(now, 3601);
    await report(await claim(sql, now), now, () => REFUSED);
  }
  await sql`update public.push_subscriptions set endpoint = ${createEndpoint()} where user_id = ${one}`;
  expect(await claim(sql, plus(now, 60))).toHaveLength(1);
});
