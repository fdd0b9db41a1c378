import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  clearAlerts,
  MORNING,
  makeAlert,
  readAlert,
  recordQuotes,
  toldByAlerts,
} from '../../support/alerts.ts';
import { createUser } from '../../support/postgres.ts';
import { clearQueue, plus } from '../../support/queue.ts';
import { endsOrWaits, type Session, untilBlocked, withSessions } from '../../support/sessions.ts';
import { throttle } from '../../support/throttles.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
// A session that waits for a lock here fails, rather than waiting for a test that waits for it.
let impatient: postgres.Sql;
beforeAll(() => {
  impatient = postgres(db().url, { connection: { lock_timeout: 5000 }, onnotice: () => {} });
});
afterAll(() => impatient.end());
let mine: string;
let others: string;
let owner: string;
beforeEach(async () => {
  const { sql } = db();
  await clearAlerts(sql);
  await clearQueue(sql);
  await sql`delete from public.push_categories`;
  owner = (await createUser(sql)).id;
  mine = await makeAlert(sql, {}, owner);
  others = await makeAlert(sql);
  await quote(99, 0);
});

const quote = async (value: number, seconds: number, sql: postgres.Sql = impatient) =>
  (await recordQuotes(sql, [{ symbol: 'DAX', value }], plus(MORNING, seconds))).fired;
const tend = async (seconds: number, sql: postgres.Sql = impatient) =>
  (await sql`select push.tick_alerts(10000, ${plus(MORNING, seconds)}) as done`)[0]?.done.fired;
const fired = async (...ids: string[]) =>
  await Promise.all(ids.map(async (id) => (await readAlert(db().sql, id)).times_fired));

/** Does `work` in another session and keeps it uncommitted while `meanwhile` runs. */
async function whileOpen(
  work: (sql: postgres.Sql) => PromiseLike<unknown>,
  meanwhile: () => Promise<void>,
): Promise<void> {
  await withSessions(db().url, 1, async (...[session]) => {
    const { sql } = session as Session;
    await sql`begin`;
    await work(sql);
    await meanwhile();
    await sql`commit`;
  });
}

test('an alert that is being changed lets the value pass, and hears of it within a minute', async () => {
  await whileOpen(
    (sql) => sql`update public.push_alerts set setup = 'Mine' where id = ${mine}`,
    async () => {
      expect(await quote(101, 60)).toBe(1);
      expect(await fired(mine, others)).toEqual([0, 1]);
      expect(await tend(61)).toBe(0);
    },
  );
  expect(await tend(120)).toBe(1);
  expect(await tend(180)).toBe(0);
  expect(await fired(mine, others)).toEqual([1, 1]);
  expect(await toldByAlerts(db().sql)).toHaveLength(2);
});

test('or with the next value, if that comes before', async () => {
  await whileOpen(
    (sql) => sql`update public.push_alerts set setup = 'Mine' where id = ${mine}`,
    async () => void (await quote(101, 60)),
  );
  expect(await quote(102, 61)).toBe(1);
  expect(await fired(mine, others)).toEqual([1, 1]);
});

test('a threshold that is changed meanwhile counts as it is then', async () => {
  await whileOpen(
    (sql) => sql`update public.push_alerts set threshold = 150 where id = ${mine}`,
    async () => void (await quote(101, 60)),
  );
  expect(await tend(120)).toBe(0);
  expect(await quote(151, 180)).toBe(1);
  expect(await fired(mine, others)).toEqual([1, 1]);
});

test('an alert that is made while its first value is written starts from that', async () => {
  let made = '';
  await whileOpen(
    async (sql) => {
      made = await makeAlert(sql, { symbol: 'BTC' }, owner);
    },
    async () => void (await recordQuotes(db().sql, [{ symbol: 'BTC', value: 99 }], plus(MORNING, 60))),
  );
  expect(await readAlert(db().sql, made)).toMatchObject({ last_side: null });
  await tend(120);
  expect(await readAlert(db().sql, made)).toMatchObject({ last_side: 'below', armed: true, times_fired: 0 });
});

test('a value that was written too long ago is not looked at again', async () => {
  await whileOpen(
    (sql) => sql`update public.push_alerts set setup = 'Mine' where id = ${mine}`,
    async () => void (await quote(101, 60)),
  );
  expect(await tend(60 + 600)).toBe(0);
});

test('a user who is being deleted holds up no quote', async () => {
  await whileOpen(
    (sql) => sql`delete from auth.users where id = ${owner}`,
    async () => {
      expect(await quote(101, 60)).toBe(1);
      expect(await tend(120)).toBe(0);
    },
  );
  expect(await fired(others)).toEqual([1]);
});

test('a user who is deleted while an alert fires waits for that, and then goes', async () => {
  const { sql, url } = db();
  await withSessions(url, 2, async (...sessions) => {
    const [writer, admin] = sessions as [Session, Session];
    await writer.sql`begin`;
    expect(await quote(101, 60, writer.sql)).toBe(2);
    const gone = admin.sql`delete from auth.users where id = ${owner}`.execute();
    await untilBlocked(sql, admin);
    await writer.sql`commit`;
    expect((await gone).count).toBe(1);
  });
});

test('a level that is being written holds up no quote, and counts from its commit on', async () => {
  const { sql } = db();
  await sql`insert into public.push_levels (symbol, level, value) values ('DAX', 'line', 100)`;
  const follower = await makeAlert(sql, { condition: 'level', level: 'line' });
  expect(await readAlert(sql, follower)).toMatchObject({ last_side: 'below' });
  await whileOpen(
    (own) => own`update public.push_levels set value = 105`,
    async () => expect(await quote(102, 60)).toBe(2),
  );
  expect(await readAlert(sql, follower)).toMatchObject({ times_fired: 0, level_price: 105 });
  await tend(120);
  expect(await quote(106, 180)).toBe(1);
});

test('an alert that is being changed while its level moves never fires at the old one', async () => {
  const { sql } = db();
  await sql`insert into public.push_levels (symbol, level, value) values ('DAX', 'line', 100)`;
  const follower = await makeAlert(sql, { condition: 'level', level: 'line' });
  await whileOpen(
    (own) => own`update public.push_alerts set setup = 'Mine' where id = ${follower}`,
    async () => void (await sql`update public.push_levels set value = 105`),
  );
  expect(await readAlert(sql, follower)).toMatchObject({ level_price: 100 });
  expect(await quote(102, 60)).toBe(2);
  expect(await readAlert(sql, follower)).toMatchObject({
    times_fired: 0,
    level_price: 105,
    last_side: 'below',
    armed: true,
  });
  expect(await quote(106, 120)).toBe(1);
});

test('without a value, such an alert follows its level within a minute', async () => {
  const { sql } = db();
  await sql`insert into public.push_levels (symbol, level, value) values ('DAX', 'line', 100)`;
  const follower = await makeAlert(sql, { condition: 'level', level: 'line' });
  await whileOpen(
    (own) => own`update public.push_alerts set setup = 'Mine' where id = ${follower}`,
    async () => void (await sql`update public.push_levels set value = 105`),
  );
  await sql`select push.tick_alerts()`;
  expect(await readAlert(sql, follower)).toMatchObject({ level_price: 105 });
});

test("the minute's job waits for no quote, and no quote for it", async () => {
  const { sql, url } = db();
  await withSessions(url, 2, async (...sessions) => {
    const [writer, tender] = sessions as [Session, Session];
    await writer.sql`begin`;
    await quote(101, 60, writer.sql);
    expect(await endsOrWaits(sql, tender, tend(60, tender.sql))).toBe('ends');
    await writer.sql`commit`;
    await tender.sql`begin`;
    await tend(120, tender.sql);
    expect(await endsOrWaits(sql, writer, quote(99, 180, writer.sql))).toBe('ends');
    await tender.sql`commit`;
  });
});

test('two batches that tell the same users, one after the other and the other way round, never wait in a circle', async () => {
  const { sql, url } = db();
  // Each tells one user with its first quote and the other with its second, and pushes to both are counted.
  await throttle(sql, 'alerts', 1000);
  const [anna, ben] = [(await createUser(sql)).id, (await createUser(sql)).id];
  await makeAlert(sql, { symbol: 'A', threshold: 10 }, anna);
  await makeAlert(sql, { symbol: 'A', threshold: 20 }, ben);
  await makeAlert(sql, { symbol: 'B', threshold: 10 }, ben);
  await makeAlert(sql, { symbol: 'B', threshold: 20 }, anna);
  const both = (value: number) => ['A', 'B'].map((symbol) => ({ symbol, value }));
  await recordQuotes(sql, both(1), plus(MORNING, 60));
  await sql.unsafe(`
    create function public.gate() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared(4711);
      return new;
    end $$;
    create trigger gate before update on public.push_quotes for each row when (new.value = 25) execute function public.gate();`);
  try {
    await withSessions(url, 3, async (...sessions) => {
      const [keeper, first, second] = sessions as [Session, Session, Session];
      await keeper.sql`select pg_advisory_lock(4711)`;
      const answers = [['A', first] as const, ['B', second] as const].map(([symbol, { sql: own }]) =>
        recordQuotes(
          own,
          [15, 25].map((value, place) => ({ symbol, value, quoted_at: plus(MORNING, 100 + place) })),
          plus(MORNING, 120),
        ),
      );
      await untilBlocked(sql, first);
      await untilBlocked(sql, second);
      await keeper.sql`select pg_advisory_unlock(4711)`;
      expect((await Promise.all(answers)).map((answer) => answer.fired)).toEqual([2, 2]);
    });
  } finally {
    await sql`drop function public.gate cascade`;
  }
  expect(await toldByAlerts(sql)).toHaveLength(4);
});
