import { expect, test } from 'vitest';
import { useCrowd } from '../../support/crowd.ts';
import { claim, notify, type OutcomeReport, plus, startOfClock } from '../../support/queue.ts';
import { createEndpoint } from '../../support/subscriptions.ts';

const { db, report, user } = useCrowd();

const REFUSED: OutcomeReport = { outcome: 'misconfigured', status: 403, message: 'BadJwtToken' };

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
