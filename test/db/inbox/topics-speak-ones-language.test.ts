import { beforeEach, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { saveTemplates, setLocales } from '../../support/templates.ts';
import { createTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

let topic: string;
beforeEach(async () => {
  const { sql } = db();
  await sql`delete from public.push_notifications`;
  await sql`delete from public.push_templates`;
  await saveTemplates(
    sql,
    {
      key: 'news',
      title: 'News',
      body: 'Read them',
      url: '/en',
      presentation: { icon: '/en.png' },
      sample: {},
    },
    { key: 'news', locale: 'de', title: 'Neues', body: '', presentation: { icon: '/de.png' } },
    { key: 'news', locale: 'de-AT', title: 'Neues, bitte', body: 'Zum Lesen' },
  );
  ({ topic } = await createTopic(sql, 0));
});

const ENGLISH = { title: 'News', body: 'Read them', url: '/en', presentation: { icon: '/en.png' } };
const GERMAN = { title: 'Neues', body: null, url: '/en', presentation: { icon: '/de.png' } };
const AUSTRIAN = { title: 'Neues, bitte', body: 'Zum Lesen', url: '/en', presentation: { icon: '/en.png' } };

test.each([
  ['de-AT', AUSTRIAN],
  ['de-CH', GERMAN],
  ['de', GERMAN],
  ['den', ENGLISH],
  ['fr', ENGLISH],
  [null, ENGLISH],
])('a member whose locale is %s', async (locale, expected) => {
  const { sql } = db();
  const { id } = await createUser(sql);
  if (locale !== null) await setLocales(sql, { [id]: locale });
  await sql`insert into public.push_topic_members (topic, user_id) values (${topic}, ${id})`;
  await sql`select push.notify_topic(${topic}, p_template => 'news')`;
  const rows = await asUser(
    sql,
    id,
    (t) => t`select title, body, url, presentation from public.push_inbox()`,
  );
  expect([...rows]).toEqual([expected]);
});
