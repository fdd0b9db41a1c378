import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import { clearQueue } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

/** Inserts rows as PostgREST does that come in one request: null for what one lacks and another has. */
const insert = (table: string, rows: Record<string, unknown>[]) => {
  const lacking = Object.fromEntries(rows.flatMap(Object.keys).map((column) => [column, null]));
  return asService(
    db().sql,
    (sql) => sql`
      insert into public.${sql(table)} ${sql(rows.map((row) => ({ ...lacking, ...row })) as never)} returning *`,
  );
};

test('a category that lacks what another has is treated as if it came alone', async () => {
  const rows = await insert('push_categories', [
    { key: 'bulk-a', title: 'A', critical: true, quiet_hours: 'drop' },
    { key: 'bulk-b', title: 'B' },
  ]);
  expect(rows).toMatchObject([
    { critical: true, quiet_hours: 'drop' },
    { critical: false, quiet_hours: 'defer' },
  ]);
});

test('a notification that lacks what another has is treated as if it came alone', async () => {
  const { id: user_id } = await createUser(db().sql);
  const rows = await insert('push_notifications', [
    { user_id, title: 'One', urgency: 'high', params: { deal: 1 }, inbox: false, ttl: 60 },
    { user_id, title: 'Two' },
  ]);
  expect(rows).toMatchObject([
    { urgency: 'high', params: { deal: 1 }, inbox: false },
    { urgency: 'normal', params: {}, inbox: true },
  ]);
});

test('a notification without a title is refused by its code, alone or among others', async () => {
  const { id: user_id } = await createUser(db().sql);
  await expect(insert('push_notifications', [{ user_id, title: 'One' }, { user_id }])).rejects.toMatchObject({
    code: 'PT400',
    detail: 'title_missing',
  });
});
