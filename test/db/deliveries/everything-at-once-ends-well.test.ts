import { expect, test } from 'vitest';
import { connectBell } from '../../support/bell.ts';
import { asUser, createUser } from '../../support/postgres.ts';
import { claim, complete, plus, startOfClock } from '../../support/queue.ts';
import { createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

const WORKERS = 8;
const STEPS = 60;
const OUTCOMES = ['sent', 'sent', 'sent', 'retry', 'gone', 'failed', 'misconfigured'] as const;

test('eight workers that register, hand over, notify, deliver and delete at once never deadlock and lose nothing', async () => {
  const { sql } = db();
  await connectBell(sql);
  const users = await Promise.all(Array.from({ length: 6 }, async () => (await createUser(sql)).id));
  const devices = Array.from({ length: 8 }, () => createSubscription());
  const start = startOfClock();
  const errors: string[] = [];

  await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      let state = worker + 1;
      const next = (limit: number) => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
        return (state >> 8) % limit;
      };
      const user = () => users[next(users.length)] as string;
      for (let step = 0; step < STEPS; step += 1) {
        const now = plus(start, step);
        const steps: (() => Promise<unknown>)[] = [
          () => {
            const [owner, device] = [user(), { ...devices[next(devices.length)] }];
            return asUser(
              sql,
              owner,
              (t) => t`
                insert into public.push_subscriptions ${t(device as Record<string, string>)}
                on conflict (endpoint) do update set endpoint = excluded.endpoint, user_agent = ${`step ${step}`}`,
            );
          },
          // One row per statement: a statement that changes many rows takes their locks in an order of its own.
          () =>
            asUser(
              sql,
              user(),
              (t) => t`
                delete from public.push_subscriptions
                where id = (select id from public.push_subscriptions order by id limit 1)`,
            ),
          async () => sql`select push.notify_many(${[user(), user(), user()]}::uuid[], ${`From ${worker}`})`,
          async () =>
            sql`select push.notify(${user()}::uuid, 'One', p_idempotency_key => ${`key ${next(20)}`})`,
          async () => {
            const rows = await claim(sql, now, { limit: 5 });
            await complete(
              sql,
              now,
              rows.map((row) => ({ ...row, outcome: OUTCOMES[next(OUTCOMES.length)] as 'sent' })),
            );
          },
          () => claim(sql, now, { limit: 2 }),
          async () => sql`select push.tick(${plus(now, next(90))})`,
          async () => sql`
            update public.push_notifications set status = 'cancelled' where id = (
              select id from public.push_notifications
              where user_id = ${user()} and status = 'queued' order by id limit 1
            )`,
        ];
        await steps[next(steps.length)]?.().catch((error: { code?: string; message: string }) => {
          errors.push(`${error.code} ${error.message}`);
        });
      }
    }),
  );
  expect(errors).toEqual([]);

  // Everything that is left comes to its end.
  for (let now = plus(start, 10_000), round = 0; round < 40; round += 1, now = plus(now, 4000)) {
    await sql`select push.tick(${now})`;
    const rows = await claim(sql, now, { limit: 1000 });
    await complete(
      sql,
      now,
      rows.map((row) => ({ ...row, outcome: 'sent' })),
    );
  }
  const open =
    await sql`select state, count(*)::int as n from push.deliveries where finished_at is null group by state`;
  expect([...open]).toEqual([]);
  const [most] = await sql`select max(claims)::int as claims from push.deliveries`;
  expect(most?.claims).toBeGreaterThan(0);
});
