import postgres from 'postgres';
import { expect, test } from 'vitest';
import { SENT, useCrowd } from '../../support/crowd.ts';
import { eventually } from '../../support/eventually.ts';
import {
  type Claimed,
  claim,
  complete,
  notify,
  type OutcomeReport,
  plus,
  startOfClock,
} from '../../support/queue.ts';
import { MOZILLA } from '../../support/subscriptions.ts';

const { db, user } = useCrowd();

test('two batches of reports about the same two push services, one with a dead device', async () => {
  const { sql, url } = db();
  const pair = async () => ({ fcm: await user(1), mozilla: await user(1, true, MOZILLA) });
  const [one, two] = [await pair(), await pair()];
  for (const id of [one, two].flatMap(({ fcm, mozilla }) => [fcm, mozilla])) await notify(sql, id);
  const now = plus(startOfClock(), 60);
  const claimed = await claim(sql, now);
  const of = ({ fcm, mozilla }: typeof one) =>
    claimed.filter(({ user_id }) => [fcm, mozilla].includes(user_id));
  const clients = [0, 1, 2].map(() => postgres(url, { max: 1 })) as [
    postgres.Sql,
    postgres.Sql,
    postgres.Sql,
  ];
  const blocked = (count: number) =>
    eventually(
      () => sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      (rows) => rows.length === count,
    );
  const settled: Promise<unknown>[] = [];
  const settle = (on: postgres.Sql, rows: Claimed[], outcome: (row: Claimed) => OutcomeReport) => {
    const done = complete(
      on,
      now,
      rows.map((row) => ({ ...row, ...outcome(row) })),
    );
    settled.push(
      done.then(
        () => 'settled',
        (error: Error) => error.message,
      ),
    );
  };
  await clients[2].begin(async (holder) => {
    await holder`select from push.hosts where origin = ${MOZILLA} for update`;
    settle(clients[0], of(one), ({ user_id }) =>
      user_id === one.mozilla ? { outcome: 'gone', status: 410, code: 'subscription_gone' } : SENT,
    );
    await blocked(1);
    settle(clients[1], of(two), () => SENT);
    await blocked(2);
  });
  expect(await Promise.all(settled)).toEqual(['settled', 'settled']);
  await Promise.all(clients.map((client) => client.end()));
});
