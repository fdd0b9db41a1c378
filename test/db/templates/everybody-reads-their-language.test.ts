import postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify, plus, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { preview, saveTemplates, setLocales } from '../../support/templates.ts';
import { createTopic, fanOutAll } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`delete from public.push_templates`;
  await saveTemplates(
    sql,
    {
      key: 'news',
      title: '{{n}} news',
      body: 'Read them',
      url: '/news/{{n}}',
      presentation: { icon: '/en.png', actions: [{ action: 'read', title: 'Read' }] },
      urgency: 'low',
      sample: { n: 1 },
    },
    {
      key: 'news',
      locale: 'de',
      title: '{{n}} Neuigkeiten',
      body: 'Zu lesen',
      presentation: { actions: [{ action: 'read', title: 'Lesen' }] },
    },
    { key: 'news', locale: 'de-AT', title: '{{n}} Neuigkeiten, bitte', body: '', url: '/at/{{n}}' },
    { key: 'news', locale: 'zh-Hant', title: '{{n}} 則新聞', body: '閱讀' },
  );
});

const ENGLISH = {
  title: '3 news',
  body: 'Read them',
  url: '/news/3',
  presentation: { icon: '/en.png', actions: [{ action: 'read', title: 'Read' }] },
};
const GERMAN = {
  title: '3 Neuigkeiten',
  body: 'Zu lesen',
  url: '/news/3',
  presentation: { actions: [{ action: 'read', title: 'Lesen' }] },
};
const AUSTRIAN = {
  title: '3 Neuigkeiten, bitte',
  body: null,
  url: '/at/3',
  presentation: ENGLISH.presentation,
};

test.each([
  ['de', 'de'],
  ['de-AT', 'de-AT'],
  ['de_at', 'de-AT'],
  ['DE-at', 'de-AT'],
  ['de_AT.UTF-8@euro', 'de-AT'],
  ['de-AT-1996', 'de-AT'],
  ['de-AT-u-co-phonebk', 'de-AT'],
  ['de-CH', 'de'],
  ['de-Latn-CH-1996', 'de'],
  ['zh-hant-tw', 'zh-Hant'],
  ['zh-TW', ''],
  ['en-GB', ''],
  ['deu', ''],
  ['C', ''],
  ['', ''],
  ['no locale at all', ''],
])('%j reads %j', async (locale, found) => {
  expect((await preview(db().sql, 'news', { locale })).locale).toBe(found);
});

test.each([
  ['DE', 'de'],
  ['pt_br', 'pt-BR'],
  ['ZH-HANS-cn', 'zh-Hans-CN'],
  ['es-419', 'es-419'],
  ['sl-ROZAJ-biske', 'sl-rozaj-biske'],
])('a translation saved as %s stands as %s', async (given, normal) => {
  const { sql } = db();
  await saveTemplates(sql, { key: 'other', title: 'x' }, { key: 'other', locale: given, title: 'y' });
  const [row] = await sql`select locale from public.push_templates where key = 'other' and locale <> ''`;
  expect(row?.locale).toBe(normal);
});

test('the default fills in what a translation leaves out, and translations are not mixed', async () => {
  const { sql } = db();
  const values = { params: { n: 3 } };
  expect(await preview(sql, 'news', { ...values, locale: 'de' })).toMatchObject({
    ...GERMAN,
    urgency: 'low',
  });
  expect(await preview(sql, 'news', { ...values, locale: 'de-AT' })).toMatchObject({
    ...AUSTRIAN,
    urgency: 'low',
  });
});

/** A user for each of these locales, with one device. */
async function createReaders(...locales: string[]): Promise<string[]> {
  const { sql } = db();
  const readers = await Promise.all(locales.map(() => createUser(sql)));
  for (const { id } of readers) await subscribe(sql, id);
  await setLocales(sql, Object.fromEntries(readers.map(({ id }, index) => [id, locales[index] as string])));
  return readers.map(({ id }) => id);
}

test('a message to one user is in that user’s language', async () => {
  const { sql } = db();
  const [reader] = await createReaders('de-AT');
  await sql`select push.notify(${reader as string}, p_template => 'news', p_params => '{"n": 3}')`;
  const [row] =
    await sql`select title, body, url, presentation, locale, localized from public.push_notifications`;
  expect(row).toEqual({ ...AUSTRIAN, locale: 'de-AT', localized: null });
});

test('a message to many is rendered once for each locale, however many users have it', async () => {
  const { sql, superuserUrl } = db();
  const readers = await createReaders('de', 'de', 'de-AT', 'de-AT', 'en', 'en', 'en', '');
  const superuser = postgres(superuserUrl, { max: 1 });
  try {
    const [calls] = await superuser.begin(async (t) => {
      await t`set local track_functions = 'pl'`;
      await t`select push.notify_many(${readers}::uuid[], p_template => 'news', p_params => '{"n": 3}')`;
      return await t`select calls::int from pg_stat_xact_user_functions where funcname = 'render_template'`;
    });
    expect(calls).toEqual({ calls: 4 });
  } finally {
    await superuser.end();
  }
  const rows = await sql<{ title: string }[]>`select title from public.push_notifications`;
  expect(rows.map(({ title }) => title).sort()).toEqual(
    [GERMAN, GERMAN, AUSTRIAN, AUSTRIAN, ENGLISH, ENGLISH, ENGLISH, ENGLISH].map(({ title }) => title).sort(),
  );
});

const SENT = { de: GERMAN, 'de-AT': AUSTRIAN, 'en-GB': ENGLISH, '': ENGLISH };

test('each member of a topic gets it in their language, and the row has the default', async () => {
  const { sql } = db();
  const readers = await createReaders(...Object.keys(SENT));
  const { topic } = await createTopic(sql, 0);
  await sql`insert into public.push_topic_members ${sql(readers.map((user_id) => ({ topic, user_id })))}`;
  await asService(
    sql,
    (t) => t`select public.push_notify_topic(${topic}, '{"template": "news", "params": {"n": 3}}')`,
  );
  await fanOutAll(sql);

  const [row] = await sql`select title, body, url, presentation, locale from public.push_notifications`;
  expect(row).toEqual({ ...ENGLISH, locale: '' });
  const devices = await sql<
    { user_id: string; endpoint: string }[]
  >`select user_id, endpoint from public.push_subscriptions`;
  const claimed = await claim(sql, startOfClock());
  for (const [index, expected] of Object.values(SENT).entries()) {
    const device = devices.find(({ user_id }) => user_id === readers[index]);
    expect(claimed.find(({ endpoint }) => endpoint === device?.endpoint)).toMatchObject(expected);
  }
});

test('what the caller of a topic’s message says itself is the same in every language', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 0);
  await sql`select push.notify_topic(${topic}, 'Own', p_template => 'news', p_params => '{"n": 3}', p_presentation => '{"silent": true}')`;
  const [row] = await sql`select localized from public.push_notifications`;
  expect(row?.localized.de).toEqual({
    ...GERMAN,
    title: 'Own',
    presentation: { ...GERMAN.presentation, silent: true },
  });
  expect(Object.keys(row?.localized).sort()).toEqual(['de', 'de-AT', 'zh-Hant']);
});

test('a topic’s message that cannot be sent in one of the languages is refused, which is named', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 0);
  await sql`update public.push_templates set title = ${`{{n}} ${'ü'.repeat(400)}`} where locale = 'de'`;
  const params = sql.json({ n: 'x'.repeat(300) });
  const refusal = await refusalOf(
    sql`select push.notify_topic(${topic}, p_template => 'news', p_params => ${params})`,
  );
  expect(refusal).toMatchObject({ sqlstate: 'PT400', code: 'text_too_large' });
  expect(refusal.message).toContain('news (de)');
});

test('a scheduled message to a topic that is given another text has it in every language', async () => {
  const { sql } = db();
  const [reader] = await createReaders('de');
  const { topic } = await createTopic(sql, 0);
  await sql`insert into public.push_topic_members (topic, user_id) values (${topic}, ${reader as string})`;
  const sendAt = plus(new Date(), 3600);
  await sql`select push.notify_topic(${topic}, p_template => 'news', p_params => '{"n": 3}', p_send_at => ${sendAt})`;
  await asService(sql, (t) => t`update public.push_notifications set title = 'Corrected'`);
  await sql`select push.enqueue_due_notifications(10, ${sendAt})`;
  // Members of that moment.
  await sql`update push.fan_outs set started_at = ${plus(new Date(), 10)}`;
  await fanOutAll(sql, 1000, sendAt);
  expect((await claim(sql, plus(sendAt, 10))).map(({ title }) => title)).toEqual(['Corrected']);
});

test('other languages cannot be written beside a template', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 1);
  await asService(
    sql,
    (t) => t`
      insert into public.push_notifications (audience_topic, title, localized)
      values (${topic}, 'Hello', '{"de": {"title": 7}}')`,
  );
  await asService(sql, (t) => t`update public.push_notifications set localized = '{"de": {"title": 7}}'`);
  expect([...(await sql`select localized from public.push_notifications`)]).toEqual([{ localized: null }]);
});

test('no locale is looked up where there is no template', async () => {
  const { sql } = db();
  const [reader] = await createReaders('de');
  await sql.unsafe(`
    create or replace function push.locale_of(p_user_id uuid) returns text language plpgsql as $$
    begin raise exception 'asked'; end $$`);
  await notify(sql, reader as string);
  await sql`select push.notify_many(array[${reader as string}]::uuid[], 'Hello')`;
  expect(await claim(sql, startOfClock())).toHaveLength(2);
});
