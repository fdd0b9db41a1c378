import { beforeEach, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, startOfClock } from '../../support/queue.ts';
import { createEndpoint, FCM, MOZILLA, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

test('both touch the same deliveries in another order, and neither ends in a deadlock', async () => {
  const { sql } = db();
  await sql`update push.settings set max_subscriptions_per_user = 100`;
  for (let round = 0; round < 12; round += 1) {
    const user = (await createUser(sql)).id;
    for (let device = 0; device < 12; device += 1) {
      await subscribe(sql, user, { endpoint: createEndpoint(device % 2 === 0 ? FCM : MOZILLA) });
    }
    await sql`
      insert into public.push_notifications (user_id, title) select ${user}, 'Hello ' || i from generate_series(1, 40) i`;
    const now = startOfClock();
    await Promise.all([
      sql`update public.push_notifications set status = 'cancelled' where user_id = ${user}`,
      asUser(sql, user, (t) => t`delete from public.push_subscriptions`),
      claim(sql, now, { limit: 100 }),
      sql`select push.expire_deliveries(100, ${new Date(now.getTime() + 864e5)})`,
    ]);
    expect(await claim(sql, now)).toEqual([]);
  }
  const waiting = await sql`select from push.deliveries where state = 'queued'`;
  expect(waiting).toHaveLength(0);
});
