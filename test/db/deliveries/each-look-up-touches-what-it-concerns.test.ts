import type postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { claim, complete, notify, plus, startOfClock } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const BACKLOG = 5000;
// Of one device, looked up, locked and moved to the log; a few pages' worth of other rows may stand beside them.
const WAITING = 3;
const READ_AT_MOST = 20 * WAITING;

const db = useDatabase();

/** Rows of the queue that `work` reads, in a transaction of its own. */
async function rowsRead(
  plans: string,
  work: (sql: postgres.TransactionSql) => Promise<unknown>,
): Promise<number> {
  return await db().sql.begin(async (sql) => {
    const count = async () => {
      const [row] = await sql<{ read: number }[]>`
        select (seq_tup_read + idx_tup_fetch)::int as read
        from pg_stat_xact_user_tables where relid = 'push.queue'::regclass`;
      return (row as { read: number }).read;
    };
    await sql`select set_config('plan_cache_mode', ${plans}, true)`;
    const before = await count();
    await work(sql);
    return (await count()) - before;
  });
}

/** A user with one device, for which three messages wait. */
async function waiting() {
  const { sql } = db();
  const { id: userId } = await createUser(sql);
  const subscriptionId = await subscribe(sql, userId);
  const notifications: string[] = [];
  for (let count = 0; count < WAITING; count += 1) notifications.push(await notify(sql, userId));
  return { userId, subscriptionId, notifications };
}

const left = async (subscriptionId: string) =>
  (await db().sql`select from push.queue where subscription_id = ${subscriptionId}`).length;

let backlogUser: string;
beforeAll(async () => {
  const { sql } = db();
  await sql`update push.settings set max_dispatchers = 1`;
  await sql`alter table push.queue set (autovacuum_enabled = false)`;
  backlogUser = (await createUser(sql)).id;
  await subscribe(sql, backlogUser);
});

const fill = () => db().sql`
  insert into public.push_notifications (user_id, title, tag)
  select ${backlogUser}, 'Message ' || n, 'deal:7' from generate_series(1, ${BACKLOG}::int) as n`;
const empty = async () => {
  await db().sql`delete from public.push_notifications where user_id = ${backlogUser}`;
  await db().sql`delete from push.queue`;
};

describe.each([
  [
    'from an empty queue',
    async () => {
      await empty();
      await db().sql`vacuum analyze push.queue`;
      await fill();
    },
  ],
  [
    'from one row of one device',
    async () => {
      await empty();
      await notify(db().sql, backlogUser);
      await db().sql`vacuum analyze push.queue`;
      await fill();
    },
  ],
  [
    'from the backlog',
    async () => {
      await empty();
      await fill();
      await db().sql`vacuum analyze push.queue`;
    },
  ],
  [
    'from a backlog that is gone',
    async () => {
      await empty();
      await fill();
      await db().sql`vacuum analyze push.queue`;
      await empty();
      await fill();
    },
  ],
] as const)('with statistics %s', (_, prepare) => {
  beforeAll(prepare);
  afterAll(empty);

  describe.each(['force_custom_plan', 'force_generic_plan'])('and %s', (plans) => {
    test('a device that is deleted', async () => {
      const { subscriptionId } = await waiting();
      const read = await rowsRead(
        plans,
        (sql) => sql`delete from public.push_subscriptions where id = ${subscriptionId}`,
      );
      expect(await left(subscriptionId)).toBe(0);
      expect(read).toBeLessThan(READ_AT_MOST);
    });

    test('a device that changes hands', async () => {
      const { subscriptionId } = await waiting();
      const { id: next } = await createUser(db().sql);
      const read = await rowsRead(
        plans,
        (sql) => sql`update public.push_subscriptions set user_id = ${next} where id = ${subscriptionId}`,
      );
      expect(await left(subscriptionId)).toBe(0);
      expect(read).toBeLessThan(READ_AT_MOST);
    });

    test('an export of what is known of a user', async () => {
      const { userId, notifications } = await waiting();
      const read = await rowsRead(plans, async (sql) => {
        const [row] = await sql`select push.export_user(${userId}, false) as all`;
        expect(row?.all.deliveries).toHaveLength(notifications.length);
      });
      expect(read).toBeLessThan(READ_AT_MOST);
    });

    test('a message that is cancelled', async () => {
      const { subscriptionId, notifications } = await waiting();
      const read = await rowsRead(plans, (sql) => sql`select push.cancel(${notifications[0] as string})`);
      expect(await left(subscriptionId)).toBe(WAITING - 1);
      expect(read).toBeLessThan(READ_AT_MOST);
    });

    test('a message that is deleted', async () => {
      const { subscriptionId, notifications } = await waiting();
      const read = await rowsRead(
        plans,
        (sql) => sql`delete from public.push_notifications where id = ${notifications[0] as string}`,
      );
      expect(await left(subscriptionId)).toBe(WAITING - 1);
      expect(read).toBeLessThan(READ_AT_MOST);
    });

    test('preferences that change', async () => {
      const { userId, subscriptionId } = await waiting();
      await db()
        .sql`update push.queue set last_code = 'quiet_hours' where subscription_id = ${subscriptionId}`;
      const read = await rowsRead(
        plans,
        (sql) =>
          sql`insert into public.push_preferences (user_id, muted_categories) values (${userId}, '{news}')`,
      );
      expect(await left(subscriptionId)).toBe(WAITING);
      expect(read).toBeLessThan(READ_AT_MOST);
    });

    test('a device that its push service calls gone', async () => {
      const { userId, subscriptionId } = await waiting();
      const now = startOfClock();
      await db()
        .sql`update push.queue set due_at = due_at - interval '1 day' where subscription_id = ${subscriptionId}`;
      const claimed = (await claim(db().sql, now, { limit: WAITING })).filter(
        (row) => row.user_id === userId,
      );
      expect(claimed).toHaveLength(WAITING);
      const read = await rowsRead(plans, (sql) =>
        complete(sql, now, [{ ...(claimed[0] as (typeof claimed)[0]), outcome: 'gone', status: 410 }]),
      );
      expect(await db().sql`select from public.push_subscriptions where id = ${subscriptionId}`).toHaveLength(
        0,
      );
      expect(read).toBeLessThan(READ_AT_MOST);
    });

    test('what is newer and what is older of a tag, though all that waits has it', async () => {
      const { sql } = db();
      const { id: userId } = await createUser(sql);
      const subscriptionId = await subscribe(sql, userId);
      for (let count = 0; count < WAITING; count += 1)
        await sql`insert into public.push_notifications (user_id, title, tag) values (${userId}, 'Update', 'deal:7')`;
      const rows = await sql<{ id: string; position: string }[]>`
        select id, position from push.queue where subscription_id = ${subscriptionId} order by position`;
      const now = startOfClock();
      const superseded: boolean[] = [];
      const asked = await rowsRead(plans, async (t) => {
        for (const { position } of rows) {
          const [row] =
            await t`select push.is_superseded(${subscriptionId}, 'deal:7', ${position}, ${now}) as found`;
          superseded.push(row?.found);
        }
      });
      expect(superseded).toEqual([true, true, false]);
      expect(asked).toBeLessThan(READ_AT_MOST);
      const newest = rows.at(-1)?.id as string;
      const taken = await rowsRead(
        plans,
        (t) => t`select push.supersede_older(${[newest]}::bigint[], ${now})`,
      );
      expect(
        (await sql`select id from push.queue where subscription_id = ${subscriptionId}`).map(({ id }) => id),
      ).toEqual([newest]);
      expect(taken).toBeLessThan(READ_AT_MOST);
    });

    test('what expires, what lost its lease, and whether anything is due', async () => {
      const { subscriptionId } = await waiting();
      const now = startOfClock();
      await db().sql`
        update push.queue set expires_at = ${now} where subscription_id = ${subscriptionId}`;
      const read = await rowsRead(plans, async (sql) => {
        expect(await sql`select push.expire_deliveries(10, ${plus(now, 1)}) as n`).toEqual([{ n: WAITING }]);
        await sql`select push.recover_leases(${now})`;
        expect(await sql`select push.has_due(${now}) as due`).toEqual([{ due: true }]);
      });
      expect(await left(subscriptionId)).toBe(0);
      expect(read).toBeLessThan(READ_AT_MOST);
    });
  });
});
