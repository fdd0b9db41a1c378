import postgres from 'postgres';
import { expect, test } from 'vitest';
import { SENT, useCrowd } from '../../support/crowd.ts';
import { eventually } from '../../support/eventually.ts';
import { claim, notify, plus, startOfClock } from '../../support/queue.ts';
import { createEndpoint, FCM, MOZILLA } from '../../support/subscriptions.ts';

const { db, user, flood, report } = useCrowd();

const MINUTE = '1 minute';

/** Has claims begin now, as they do when all that was due earlier has been handed out. */
const startNow = () => db().sql`
  insert into push.claim_starts (host, lane, due_from, read_whole_at)
  select h.origin, 0, now(), now() from push.hosts as h`;

/** Entries that `work` reads in the index by which the queue is claimed, dead ones with them. */
async function entriesRead(work: (sql: postgres.Sql) => Promise<unknown>): Promise<number> {
  const own = postgres(db().url, { max: 1, onnotice: () => undefined });
  const count = async () => {
    await own`select pg_stat_force_next_flush()`;
    const [row] = await own<[{ read: number }]>`
      select idx_tup_read::int as read from pg_stat_user_indexes where indexrelname = 'queue_due_idx'`;
    return row.read;
  };
  try {
    const before = await count();
    await work(own);
    return (await count()) - before;
  } finally {
    await own.end();
  }
}

test('what was handed out since the last vacuum is not read again, under an old snapshot either', async () => {
  const { sql, url } = db();
  await sql`alter table push.queue set (autovacuum_enabled = off)`;
  const one = await user(1, false);
  const old = postgres(url, { max: 1 });
  await old.begin('isolation level repeatable read', async (snapshot) => {
    await snapshot`select count(*) from push.queue`;
    await flood([one], 30);
    const now = startOfClock();
    await report(await claim(sql, now, { limit: 1000 }), now, () => SENT);
    await report(await claim(sql, now, { limit: 1000 }), now, () => SENT);
    const looks: [string, (sql: postgres.Sql) => Promise<unknown>][] = [
      ['claim', (of) => claim(of, plus(now, 1))],
      ['has_due', (of) => of`select push.has_due(${plus(now, 1)})`],
      ['health', (of) => of`select public.push_health(${plus(now, 1)})`],
    ];
    for (const [name, look] of looks) {
      await sql`delete from push.claim_starts`;
      expect([name, await entriesRead(look)]).toEqual([name, expect.any(Number)]);
      await sql`delete from push.claim_starts`;
      expect(await entriesRead(look), `${name} from the beginning`).toBeGreaterThanOrEqual(30);
      await sql`
        insert into push.claim_starts (host, lane, due_from, read_whole_at)
        select h.origin, 0, ${plus(now, 0.5)}, ${plus(now, 0.5)} from push.hosts as h`;
      expect(await entriesRead(look), `${name} from its start`).toBe(0);
    }
  });
  await old.end();
  await sql`alter table push.queue reset (autovacuum_enabled)`;
});

test('a start waits for every transaction that was open when it was noted', async () => {
  const { sql, url } = db();
  const note = (secondsAgo: number) => sql`
    select push.note_starts(array[${FCM}], '{0}', array[now() - make_interval(secs => ${secondsAgo})],
      pg_current_snapshot(), ${MINUTE}, now())`;
  const startedAgo = async () => {
    const [row] = await sql<{ ago: number | null }[]>`
      select case when due_from > '-infinity' then round(extract(epoch from now() - due_from))::int end as ago
      from push.claim_starts where host = ${FCM} and lane = 0 order by id desc limit 1`;
    return row?.ago;
  };
  const writer = postgres(url, { max: 1 });
  await writer.begin(async (open) => {
    // It has begun to write, and no transaction after it has ended yet: its number is the next that a snapshot knows of.
    await open`select pg_current_xact_id()`;
    await note(60);
    await note(50);
    await note(40);
    expect(await startedAgo()).toBe(null);
  });
  // Transactions of other tests, in other databases of this server, count as well.
  const noted = async (secondsAgo: number, expected: number) => {
    await eventually(
      async () => {
        await note(secondsAgo);
        return [await startedAgo()];
      },
      ([ago]) => ago !== null && ago !== undefined && ago >= expected && ago < expected + 10,
    );
  };
  await noted(30, 60);
  await noted(10, 30);
  await writer.end();
});

test('a start never lies after what waits, and is read past once a minute', async () => {
  const { sql } = db();
  const id = await user(1, false);
  await notify(sql, id);
  await startNow();
  const now = startOfClock();
  expect(await claim(sql, now)).toEqual([]);
  expect(await claim(sql, plus(now, 61))).toHaveLength(1);
});

test('a claim waits for no transaction that has starts forgotten', async () => {
  const { sql, url } = db();
  await startNow();
  const id = await user(1, false);
  const other = postgres(url, { max: 1 });
  await other.begin(async (open) => {
    await open`select push.forget_starts()`;
    await notify(sql, id);
    await sql`set lock_timeout = '2s'`;
    expect(await claim(sql, startOfClock())).toHaveLength(1);
    await sql`reset lock_timeout`;
  });
  await other.end();
});

test('starts that are forgotten while a claim is under way stay forgotten', async () => {
  const { sql, url } = db();
  const id = await user(1, false);
  await notify(sql, id);
  await startNow();
  const other = postgres(url, { max: 1 });
  const now = startOfClock();
  await other.begin(async (open) => {
    expect(await claim(open, now)).toEqual([]);
    await sql`set lock_timeout = '2s'`;
    await sql`select push.forget_starts()`;
    await sql`reset lock_timeout`;
  });
  expect(await sql`select push.has_due(${now}) as due`).toEqual([{ due: true }]);
  expect(await claim(sql, now)).toHaveLength(1);
  await other.end();
});

test('a claim waits for no application that cancels what waits for a resting device', async () => {
  const { sql, url } = db();
  const id = await user(1, false);
  const notification = await notify(sql, id);
  const now = startOfClock();
  await sql`
    update public.push_subscriptions set failures = 1, failed_at = ${now}, retry_at = ${plus(now, 60)} where user_id = ${id}`;
  const application = postgres(url, { max: 1 });
  await application.begin(async (open) => {
    await open`update public.push_notifications set status = 'cancelled' where id = ${notification}`;
    await sql`set lock_timeout = '2s'`;
    expect(await claim(sql, now)).toEqual([]);
    await sql`reset lock_timeout`;
  });
  await application.end();
});

test.each<[string, (id: string) => Promise<Date>]>([
  [
    'a lease is lost',
    async () => {
      const { sql } = db();
      const now = startOfClock();
      expect(await claim(sql, now)).toHaveLength(1);
      await startNow();
      const later = plus(now, 3600);
      expect(await sql`select push.recover_leases(${later}) as count`).toEqual([{ count: 1 }]);
      return plus(later, 1);
    },
  ],
  [
    'a category is resumed',
    async () => {
      const { sql } = db();
      const now = startOfClock();
      await sql`select push.pause('a test', p_category => 'orders', p_now => ${now})`;
      await claim(sql, now);
      await startNow();
      await sql`select push.resume(p_category => 'orders', p_now => ${plus(now, 1)})`;
      return plus(now, 2);
    },
  ],
  [
    'its device moves to another push service',
    async (id) => {
      const { sql } = db();
      await startNow();
      await sql`update public.push_subscriptions set endpoint = ${createEndpoint(MOZILLA)} where user_id = ${id}`;
      return startOfClock();
    },
  ],
])('what is due again is found at once: %s', async (_, again) => {
  const { sql } = db();
  await sql`insert into public.push_categories (key, title) values ('orders', 'Orders') on conflict do nothing`;
  const id = await user(1, false);
  await notify(sql, id, { category: 'orders' });
  const now = await again(id);
  expect(await claim(sql, now)).toHaveLength(1);
});

test('leases of a claim that waited for one with a later clock are found when they are over', async () => {
  const { sql } = db();
  await sql`update push.settings set delivery_lease = '10 seconds'`;
  const id = await user(1, false);
  const now = startOfClock();
  // Reads all that is under way, and for a minute only from where leases end.
  await sql`select push.recover_leases(${now})`;
  expect(await claim(sql, now)).toEqual([]);
  for (const clock of [plus(now, 5), now]) {
    await notify(sql, id);
    expect(await claim(sql, clock)).toHaveLength(1);
  }
  const [row] = await sql<[{ recovered: number }]>`select push.recover_leases(${plus(now, 11)}) as recovered`;
  expect(row.recovered).toBe(1);
  await sql`update push.settings set delivery_lease = default`;
});

test('a claim waits for no tick that deletes old starts', async () => {
  const { sql, url } = db();
  await startNow();
  await startNow();
  const id = await user(1, false);
  await notify(sql, id);
  const tick = postgres(url, { max: 1 });
  await tick.begin(async (open) => {
    await open`select push.drop_old_starts()`;
    await sql`select push.forget_starts()`;
    await sql`set lock_timeout = '2s'`;
    expect(await claim(sql, startOfClock())).toHaveLength(1);
    await sql`reset lock_timeout`;
  });
  await tick.end();
});

test('while a transaction that writes is open, nothing is noted over and over', async () => {
  const { sql, url } = db();
  const writer = postgres(url, { max: 1 });
  await writer.begin(async (open) => {
    await open`select pg_current_xact_id()`;
    for (const secondsAgo of [60, 50, 40]) {
      await sql`
        select push.note_starts(array[${FCM}], '{0}', array[now() - make_interval(secs => ${secondsAgo})],
          pg_current_snapshot(), ${MINUTE}, now())`;
    }
    expect(await sql`select from push.claim_starts where host = ${FCM} and lane = 0`).toHaveLength(1);
  });
  await writer.end();
});

test('a claim of nothing has read nothing', async () => {
  const { sql } = db();
  const id = await user(1, false);
  await notify(sql, id);
  const now = startOfClock();
  for (const seconds of [0, 1, 2]) expect(await claim(sql, plus(now, seconds), { limit: 0 })).toEqual([]);
  expect(await claim(sql, plus(now, 3))).toHaveLength(1);
});
