import { beforeEach, expect, test } from 'vitest';
import { defineDigest } from '../../support/digests.ts';
import { asService } from '../../support/postgres.ts';
import {
  claim,
  clearQueue,
  notify,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

test.each<[string, Record<string, unknown>, string]>([
  ['a url that leads elsewhere', { url: 'javascript:alert(1)' }, 'url_malformed'],
  ['no title', { title: ' ' }, 'title_missing'],
  ['a body that is too long', { body: 'x'.repeat(10_000) }, 'text_too_large'],
  ['data that is too large', { params: { x: 'x'.repeat(4000) } }, 'notification_too_large'],
  ['an unknown urgency', { urgency: 'urgent' }, 'urgency_unknown'],
  ['an end before the beginning', { expires_at: new Date(0) }, 'expires_before_sent'],
  ['params that are set to null', { params: null }, 'params_malformed'],
  ['an urgency that is empty', { urgency: '' }, 'urgency_unknown'],
])('%s is refused at update as at insert', async (_what, values, code) => {
  const { sql } = db();
  const { notificationId } = await queueOne(sql);
  const update = asService(
    sql,
    (t) => t`update public.push_notifications set ${t(values as never)} where id = ${notificationId}`,
  );
  expect(await refusalOf(update)).toMatchObject({ sqlstate: expect.stringMatching(/^PT4/), code });
});

test('a digest key can be taken off, and times left open', async () => {
  const { sql } = db();
  const { userId } = await queueOne(sql);
  await defineDigest(sql, 'deals');
  const [{ id }] = await sql<[{ id: string }]>`
    insert into public.push_notifications (user_id, title, digest_key, send_at)
    values (${userId}, 'Won', 'deals:42', now() + interval '1 hour') returning id`;
  const [row] = await asService(
    sql,
    (t) => t`
      update public.push_notifications set digest_key = null, expires_at = null where id = ${id}
      returning digest_key, expires_at > send_at as ends`,
  );
  expect(row).toEqual({ digest_key: null, ends: true });
});

test('what is cancelled is taken back from the devices that still wait for it', async () => {
  const { sql } = db();
  const { notificationId, deliveryId } = await queueOne(sql);
  await asService(
    sql,
    (t) => t`update public.push_notifications set status = 'cancelled' where id = ${notificationId}`,
  );
  expect(await readDelivery(sql, deliveryId)).toMatchObject({
    state: 'cancelled',
    finished_at: expect.any(Date),
  });
  expect(await claim(sql, startOfClock())).toEqual([]);
});

test('what is under way when it is cancelled is left to its dispatcher', async () => {
  const { sql } = db();
  const { notificationId, deliveryId } = await queueOne(sql);
  await claim(sql, startOfClock());
  await asService(
    sql,
    (t) => t`update public.push_notifications set status = 'cancelled' where id = ${notificationId}`,
  );
  expect((await readDelivery(sql, deliveryId)).state).toBe('sending');
});

test('a scheduled one that is put off goes at its new moment, with its new text', async () => {
  const { sql } = db();
  const { userId } = await queueOne(sql);
  await sql`delete from public.push_notifications`;
  const sendAt = plus(new Date(), 3600);
  const id = await notify(sql, userId, { sendAt });
  const later = plus(sendAt, 3600);
  await asService(
    sql,
    (t) => t`update public.push_notifications set send_at = ${later}, title = 'Later' where id = ${id}`,
  );
  await sql`select push.enqueue_due_notifications(10, ${plus(sendAt, 1)})`;
  expect(await claim(sql, plus(sendAt, 1))).toEqual([]);
  await sql`select push.enqueue_due_notifications(10, ${later})`;
  expect((await claim(sql, later)).map(({ title }) => title)).toEqual(['Later']);
});

test('a notification that is deleted takes its deliveries along', async () => {
  const { sql } = db();
  const { notificationId } = await queueOne(sql);
  await asService(sql, (t) => t`delete from public.push_notifications where id = ${notificationId}`);
  expect(await sql`select from push.deliveries`).toHaveLength(0);
  expect(await claim(sql, startOfClock())).toEqual([]);
});
