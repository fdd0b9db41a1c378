import type postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrate, NEXT_MIGRATION } from '../../support/next-release.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { queueOne } from '../../support/queue.ts';

let database: TestDatabase;
let sql: postgres.Sql;
beforeEach(async () => {
  database = await createTestDatabase();
  sql = database.sql;
});
afterEach(() => database.drop());

const version = async () => (await sql<{ version: string }[]>`select push.version() as version`)[0]?.version;

test('a transaction that stays open is named, nothing is changed, and the next try goes through', async () => {
  const impatient = NEXT_MIGRATION.replace("notifications}')", "notifications}', '0')");
  await sql.begin(async (open) => {
    const [{ pid } = { pid: 0 }] = await open<{ pid: number }[]>`select pg_backend_pid() as pid`;
    await queueOne(open);
    await expect(migrate(sql, impatient)).rejects.toMatchObject({
      code: 'PT409',
      detail: 'upgrade_waits',
      message: expect.stringMatching(
        new RegExp(`^Transactions that stay open use the tables of Supapush.*: pid ${pid}, since 20`),
      ),
    });
    expect(await version()).toBe('0.1.0');
  });
  await migrate(sql, impatient);
  expect(await version()).toBe('0.2.0');
  expect(await sql`select count(*)::int as count from push.queue`).toEqual([{ count: 1 }]);
});

test('while it waits for one, writes of others go on', async () => {
  const { promise: written, resolve } = Promise.withResolvers<void>();
  const open = sql.begin(async (transaction) => {
    await queueOne(transaction);
    await written;
  });
  const migrated = migrate(sql);
  // Behind a lock request that is not given up, these would wait for the transaction above.
  for (let index = 0; index < 3; index += 1) await queueOne(sql);
  resolve();
  await Promise.all([open, migrated]);
  expect(await version()).toBe('0.2.0');
  expect(await sql`select count(*)::int as count from push.queue`).toEqual([{ count: 4 }]);
});

test('a migration that leads on from another release is refused, also a second time', async () => {
  const later = NEXT_MIGRATION.replace("begin_upgrade('0.1.0'", "begin_upgrade('0.2.0'").replace(
    "'0.2.0'::text",
    "'0.3.0'::text",
  );
  await expect(migrate(sql, later)).rejects.toMatchObject({ detail: 'upgrade_out_of_order' });
  await migrate(sql);
  await expect(migrate(sql)).rejects.toMatchObject({
    detail: 'upgrade_out_of_order',
    message: 'This migration leads on from release 0.1.0, and the database is of 0.2.0.',
  });
});
