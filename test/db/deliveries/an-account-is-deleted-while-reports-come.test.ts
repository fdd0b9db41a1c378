import postgres from 'postgres';
import { expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { createUser } from '../../support/postgres.ts';
import { claim, complete, notify, startOfClock } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

test('neither the deletion nor the reports end in a deadlock', async () => {
  const { sql, url } = db();
  const { id } = await createUser(sql);
  // The deletion finds deliveries by notification and device, the reports by number: here these are opposite orders.
  for (let n = 20; n > 0; n--)
    await subscribe(sql, id, { id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}` });
  await notify(sql, id);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  const middle = claimed.map(({ delivery_id }) => Number(delivery_id)).sort((a, b) => a - b)[10] as number;
  const [reporter, gotrue, holder] = [0, 1, 2].map(() => postgres(url, { max: 1 })) as [
    postgres.Sql,
    postgres.Sql,
    postgres.Sql,
  ];
  const blocked = (count: number) =>
    eventually(
      () => sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      (rows) => rows.length === count,
    );
  const ended: Promise<string>[] = [];
  const watch = (work: PromiseLike<unknown>) =>
    ended.push(
      Promise.resolve(work).then(
        () => 'done',
        (error: Error) => error.message,
      ),
    );
  await holder.begin(async (transaction) => {
    await transaction`select from push.queue where id = ${middle} for update`;
    watch(
      complete(
        reporter,
        now,
        // What is tried again is written apart from what ends.
        claimed.map((row) =>
          Number(row.delivery_id) > middle
            ? { ...row, outcome: 'retry' as const, status: 503 }
            : { ...row, outcome: 'sent' as const, status: 201 },
        ),
      ),
    );
    await blocked(1);
    watch(gotrue`delete from auth.users where id = ${id}`);
    await blocked(2);
  });
  expect(await Promise.all(ended)).toEqual(['done', 'done']);
  // Also what the deletion waited for while it moved from the queue to the log.
  expect(await sql`select from push.deliveries`).toHaveLength(0);
  await Promise.all([reporter, gotrue, holder].map((client) => client.end()));
});
