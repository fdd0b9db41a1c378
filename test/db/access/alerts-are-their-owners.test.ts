import { beforeEach, describe, expect, test } from 'vitest';
import { clearAlerts, course, makeAlert, readAlert } from '../../support/alerts.ts';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { setSetting } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { becomeUser, untilBlocked, withSessions } from '../../support/sessions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let owner: string;
let other: string;
beforeEach(async () => {
  await clearAlerts(db().sql);
  await setSetting(db().sql, 'max_alerts_per_user', 100);
  owner = (await createUser(db().sql)).id;
  other = (await createUser(db().sql)).id;
});

const DAX = { symbol: 'DAX', condition: 'above', threshold: 100 };
const make = (userId: string, ...rows: Record<string, unknown>[]) =>
  asUser(db().sql, userId, (t) => t`insert into public.push_alerts ${t(rows as never[])}`);
const count = async (userId: string) =>
  (await db().sql`select count(*)::int as n from public.push_alerts where user_id = ${userId}`)[0]?.n;

const STATE: Record<string, unknown> = {
  id: '6f1f4d9e-5a1c-4c2b-9d8e-111111111111',
  armed: true,
  last_side: 'below',
  level_price: 1,
  last_fired_at: null,
  times_fired: 0,
  held_back: 0,
  held_until: new Date(0),
  disabled_reason: null,
  generation: 0,
  upper_line: 1,
  upper_edge: 0,
  lower_line: 1,
  lower_edge: 1,
  created_at: new Date(0),
  updated_at: new Date(0),
};

describe.each(Object.entries(STATE))('%s of an alert', (column, value) => {
  test("is not the owner's to say, nor the service's: not at insert, and not later", async () => {
    const { sql } = db();
    const row = { ...DAX, user_id: owner, [column]: value };
    await makeAlert(sql, {}, owner);
    for (const as of [
      (work: Parameters<typeof asUser>[2]) => asUser(sql, owner, work),
      (work: Parameters<typeof asService>[1]) => asService(sql, work),
    ]) {
      expect(
        (await refusalOf(as((t) => t`insert into public.push_alerts ${t(row as never)}`))).sqlstate,
      ).toBe('42501');
      const update = as(
        (t) => t`update public.push_alerts set ${t({ [column]: value } as never)} where user_id = ${owner}`,
      );
      expect((await refusalOf(update)).sqlstate).toBe('42501');
    }
  });
});

test('the state of an alert can be read by its owner, and by no other user', async () => {
  const { sql } = db();
  const alert = await makeAlert(sql, {}, owner);
  await course(sql, [99, 101]);
  const read = (userId: string) => asUser(sql, userId, (t) => t`select * from public.push_alerts`);
  expect(await read(owner)).toMatchObject([{ id: alert, times_fired: 1, last_side: 'above' }]);
  expect([...(await read(other))]).toEqual([]);
  expect((await refusalOf(asAnon(sql, (t) => t`select from public.push_alerts`))).sqlstate).toBe('42501');
});

test("another user's alert is neither changed nor deleted nor taken", async () => {
  const { sql } = db();
  const alert = await makeAlert(sql, {}, owner);
  const changed = await asUser(
    sql,
    other,
    (t) => t`update public.push_alerts set enabled = false where id = ${alert}`,
  );
  const deleted = await asUser(sql, other, (t) => t`delete from public.push_alerts where id = ${alert}`);
  expect([changed.count, deleted.count]).toEqual([0, 0]);
  const given = asUser(
    sql,
    owner,
    (t) => t`update public.push_alerts set user_id = ${other} where id = ${alert}`,
  );
  expect((await refusalOf(given)).sqlstate).toBe('42501');
  expect(await readAlert(sql, alert)).toMatchObject({ enabled: true, user_id: owner });
});

test('an alert for another user is refused before anything is said about theirs', async () => {
  await setSetting(db().sql, 'max_alerts_per_user', 1);
  await make(owner, DAX);
  for (const row of [
    { ...DAX, user_id: owner },
    { ...DAX, user_id: owner, symbol: 'no symbol' },
    { ...DAX, user_id: null },
  ]) {
    expect((await refusalOf(make(other, row))).sqlstate).toBe('42501');
  }
});

test('the policies refuse that by themselves, even without the trigger', async () => {
  const { sql } = db();
  await sql`alter table public.push_alerts disable trigger user`;
  await sql`grant update (user_id) on public.push_alerts to authenticated`;
  try {
    expect((await refusalOf(make(other, { ...DAX, user_id: owner }))).sqlstate).toBe('42501');
    await make(other, DAX);
    const given = asUser(sql, other, (t) => t`update public.push_alerts set user_id = ${owner}`);
    expect((await refusalOf(given)).sqlstate).toBe('42501');
  } finally {
    await sql`revoke update (user_id) on public.push_alerts from authenticated`;
    await sql`alter table public.push_alerts enable trigger user`;
  }
});

describe('the limit per user', () => {
  const TOO_MANY = { sqlstate: 'PT429', code: 'too_many_alerts', message: expect.stringContaining('3') };
  beforeEach(() => setSetting(db().sql, 'max_alerts_per_user', 3));

  test('refuses the alert beyond it, switched off or not, in one statement or several', async () => {
    await make(owner, DAX, { ...DAX, enabled: false }, DAX);
    expect(await refusalOf(make(owner, DAX))).toMatchObject(TOO_MANY);
    expect(await refusalOf(make(other, DAX, DAX, DAX, DAX))).toMatchObject(TOO_MANY);
    expect([await count(owner), await count(other)]).toEqual([3, 0]);
  });

  test('has room again once one is deleted, and for changes', async () => {
    await make(owner, DAX, DAX, DAX);
    await asUser(db().sql, owner, (t) => t`update public.push_alerts set threshold = 5`);
    await asUser(
      db().sql,
      owner,
      (t) => t`
      delete from public.push_alerts where id in (select a.id from public.push_alerts as a limit 1)`,
    );
    await make(owner, DAX);
    expect(await count(owner)).toBe(3);
  });

  test("is not the service's", async () => {
    await asService(
      db().sql,
      (t) => t`insert into public.push_alerts ${t(Array(5).fill({ ...DAX, user_id: owner }) as never[])}`,
    );
    expect(await count(owner)).toBe(5);
  });

  test('holds for two who make theirs at the same time', async () => {
    const { sql, url } = db();
    await make(owner, DAX, DAX);
    await withSessions(url, 2, async (first, second) => {
      if (!first || !second) throw new Error('two sessions');
      for (const session of [first, second]) {
        await session.sql`begin`;
        await becomeUser(session.sql, owner);
      }
      await first.sql`insert into public.push_alerts ${first.sql(DAX)}`;
      const late = refusalOf(second.sql`insert into public.push_alerts ${second.sql(DAX)}`);
      await untilBlocked(sql, second);
      await first.sql`commit`;
      expect(await late).toMatchObject(TOO_MANY);
      await second.sql`rollback`;
    });
    expect(await count(owner)).toBe(3);
  });
});
