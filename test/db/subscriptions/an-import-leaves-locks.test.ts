import { expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { becomeUser, withSessions } from '../../support/sessions.ts';
import { createSubscription, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

/** Devices of one address each, for users that have none. */
const IMPORT = `
  with users as (insert into auth.users (id) select gen_random_uuid() from generate_series(1, 30) returning id)
  insert into public.push_subscriptions (user_id, endpoint, p256dh, auth)
  select u.id, 'https://fcm.googleapis.com/fcm/send/' || gen_random_uuid(), $1, $2 from users as u, generate_series(1, 10)`;
const LOCKS = `
  select count(*) filter (where locktype = 'advisory')::int as advisory,
    bool_or(
      locktype = 'advisory' and mode = 'ExclusiveLock' and (classid::bigint << 32 | objid::bigint) = hashtextextended('supapush.devices', 0)
    ) as all
  from pg_locks where pid = pg_backend_pid()`;

test('an import locks each device at first, and all devices after some hundreds', async () => {
  const { p256dh, auth } = createSubscription();
  const said = await db()
    .sql.begin(async (t) => {
      await t.unsafe(IMPORT, [p256dh, auth]);
      const [locks] = await t.unsafe(LOCKS);
      throw locks;
    })
    .catch((thrown: unknown) => thrown);
  expect(said).toMatchObject({ all: true });
  expect((said as { advisory: number }).advisory).toBeLessThan(300);
});

test('an import meets a transaction that registers a device: refused after half a second, to be tried again', async () => {
  const { sql, url } = db();
  const { id } = await createUser(sql);
  const lastOfAnImport = () =>
    sql.begin(async (t) => {
      await t`select set_config('push.device_lock_count', '512', true)`;
      await subscribe(t, (await createUser(t)).id);
    });
  await withSessions(url, 1, async (user) => {
    if (!user) throw new Error('one session');
    await user.sql`begin`;
    await becomeUser(user.sql, id);
    await user.sql`insert into public.push_subscriptions ${user.sql({ ...createSubscription() })}`;
    expect(await refusalOf(lastOfAnImport())).toMatchObject({ code: 'device_busy' });
    await user.sql`commit`;
  });
  await lastOfAnImport();
});

test('an import holds up registrations, and no report of what was delivered', async () => {
  const { sql, url } = db();
  const device = createSubscription();
  const { id } = await createUser(sql);
  await subscribe(sql, id, device);
  await withSessions(url, 1, async (other) => {
    if (!other) throw new Error('one session');
    await sql.begin(async (t) => {
      await t`select push.wait_briefly(hashtextextended('supapush.devices', 0))`;
      await other.sql`set lock_timeout = '2s'`;
      await other.sql`update public.push_subscriptions set last_used_at = now() where endpoint = ${device.endpoint}`;
      expect(await refusalOf(subscribe(other.sql, id))).toMatchObject({ sqlstate: '55P03' });
    });
  });
});

test('a user who names one device many times locks only that, whatever the session says', async () => {
  const { sql, url } = db();
  const { id } = await createUser(sql);
  const device = createSubscription();
  await withSessions(url, 1, async (user) => {
    if (!user) throw new Error('one session');
    await user.sql`begin`;
    await becomeUser(user.sql, id);
    await user.sql`select set_config('push.device_lock_count', '100000', true)`;
    const rows = Array.from({ length: 3 }, () => ({ ...device }));
    await user.sql`insert into public.push_subscriptions ${user.sql(rows)} on conflict (endpoint) do nothing`;
    const [locks] = await user.sql.unsafe(LOCKS);
    expect(locks).toMatchObject({ all: false });
    expect(locks?.advisory).toBeGreaterThan(0);
    await user.sql`rollback`;
  });
});
