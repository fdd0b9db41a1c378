import { createClient } from '@supabase/supabase-js';
import { expect, test } from 'vitest';
import type { Database } from '../../../src/server/database/types.generated.ts';
import { eventually } from '../../support/eventually.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack({ workers: { cron: false } });

test('with supabase-js alone a user joins a topic, a server notifies it, follows it and takes it back', async () => {
  const { url, publishableKey, secretKey, pushService } = stack();
  const app = createClient<Database>(url, publishableKey);
  const server = createClient<Database>(url, secretKey, { auth: { persistSession: false } });
  const signUp = await app.auth.signUp({ email: 'anna@example.com', password: 'correct horse battery' });
  expect(signUp.error).toBeNull();
  const { endpoint, subscription } = pushService.createDevice();
  await app.from('push_subscriptions').insert({ endpoint, ...subscription.keys });
  expect((await server.from('push_topics').insert({ key: 'news', title: 'News' })).error).toBeNull();

  for (let again = 0; again < 2; again += 1) {
    const joined = await app.from('push_topic_members').upsert({ topic: 'news' }, { ignoreDuplicates: true });
    expect(joined.error).toBeNull();
  }
  const { data: id, error } = await server.rpc('push_notify_topic', {
    p_audience_topic: 'news',
    p_message: { title: 'Version 2' },
  });
  expect(error).toBeNull();
  const progress = await eventually(
    async () => (await server.rpc('push_progress', { p_notification_id: id as string }).single()).data,
    (counts) => counts?.sent === 1,
  );
  expect(progress).toMatchObject({ status: 'queued', members: 1, total: 1, queued: 0, cancelled: 0 });
  expect((await app.from('push_notifications').select('title')).data).toEqual([{ title: 'Version 2' }]);
  expect((await server.rpc('push_cancel', { p_notification_id: id as string })).data).toBe(0);
  expect((await app.from('push_notifications').select('title')).data).toEqual([]);

  const unknown = await app.from('push_topic_members').insert({ topic: 'nothing' });
  expect(unknown).toMatchObject({ status: 404, error: { details: 'topic_unknown' } });
  expect((await app.from('push_topic_members').delete().eq('topic', 'news')).error).toBeNull();
  expect((await app.from('push_topic_members').select()).data).toEqual([]);
  expect((await app.rpc('push_cancel', { p_notification_id: id as string })).error?.code).toBe('42501');
});
