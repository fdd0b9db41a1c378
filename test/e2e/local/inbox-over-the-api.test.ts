import { createClient } from '@supabase/supabase-js';
import { expect, test } from 'vitest';
import type { Database } from '../../../src/server/database/types.generated.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack({ functions: false, workers: { net: false, cron: false } });

test('with supabase-js alone a user pages through the inbox, counts what is unread and marks it', async () => {
  const { url, publishableKey, secretKey } = stack();
  const app = createClient<Database>(url, publishableKey);
  const stranger = createClient<Database>(url, publishableKey, { auth: { persistSession: false } });
  const server = createClient<Database>(url, secretKey, { auth: { persistSession: false } });
  const { data } = await app.auth.signUp({ email: 'anna@example.com', password: 'correct horse battery' });
  await stranger.auth.signUp({ email: 'ben@example.com', password: 'correct horse battery' });
  await server.from('push_topics').insert({ key: 'news', title: 'News' });
  await app.from('push_topic_members').insert({ topic: 'news' });
  for (const title of ['one', 'two', 'three'])
    await server.rpc('push_notify', {
      p_user_id: data.user?.id ?? '',
      p_message: { title, params: { title } },
    });
  await server.rpc('push_notify_topic', {
    p_audience_topic: 'news',
    p_message: { title: 'four', category: 'news:app' },
  });

  const titles = (rows: { title: string }[] | null) => rows?.map(({ title }) => title);
  const first = await app.rpc('push_inbox', { p_limit: 2 });
  expect(first.error).toBeNull();
  expect(titles(first.data)).toEqual(['four', 'three']);
  const last = first.data?.at(-1);
  expect(last).toMatchObject({ params: { title: 'three' }, audience_topic: null, read_at: null });
  const second = await app.rpc('push_inbox', {
    p_limit: 2,
    p_before: last?.send_at ?? '',
    p_before_id: last?.id ?? '',
  });
  expect(titles(second.data)).toEqual(['two', 'one']);
  expect(titles((await app.rpc('push_inbox', { p_category: 'news' })).data)).toEqual(['four']);

  const ids = first.data?.map(({ id }) => id) ?? [];
  expect(await app.rpc('push_unread_count')).toMatchObject({ error: null, data: 4 });
  expect(await app.rpc('push_mark_read', { p_ids: ids })).toMatchObject({ error: null, data: 2 });
  expect(titles((await app.rpc('push_inbox', { p_unread_only: true })).data)).toEqual(['two', 'one']);
  expect(await app.rpc('push_mark_unread', { p_ids: ids.slice(0, 1) })).toMatchObject({ data: 3 });
  const newest = first.data?.[0]?.send_at ?? '';
  expect(await app.rpc('push_mark_all_read', { p_until: newest })).toMatchObject({ error: null, data: 0 });
  expect((await app.rpc('push_inbox')).data?.filter(({ read_at }) => read_at === null)).toEqual([]);

  expect((await stranger.rpc('push_inbox')).data).toEqual([]);
  expect((await stranger.rpc('push_mark_unread', { p_ids: ids })).data).toBe(0);
  expect((await app.rpc('push_unread_count')).data).toBe(0);
  const signedOut = createClient<Database>(url, publishableKey, { auth: { persistSession: false } });
  expect((await signedOut.rpc('push_inbox')).error?.code).toBe('42501');
  expect((await server.rpc('push_inbox')).error?.code).toBe('42501');
});
