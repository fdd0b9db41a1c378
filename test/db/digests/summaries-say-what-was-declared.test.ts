import { expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import { closeDigests, defineDigest, type Message, readSummaries, write } from '../../support/digests.ts';
import { createUser } from '../../support/postgres.ts';
import { claim, plus } from '../../support/queue.ts';
import { withSessions } from '../../support/sessions.ts';
import { saveTemplates, setLocales } from '../../support/templates.ts';
import { useLimits } from '../../support/use-limits.ts';

const { db, user, start } = useLimits();
const end = () => plus(start(), 3700);

async function summaryOf(...messages: Message[]) {
  const { sql } = db();
  for (const message of messages) await write(sql, user(), { digest_key: 'deals:1', ...message });
  await closeDigests(sql, end());
  const [summary, ...others] = await readSummaries(sql);
  if (!summary || others.length > 0) throw new Error(`Expected one summary, found ${others.length + 1}.`);
  return summary;
}

const A = { title: 'Anna commented', body: 'Looks good', url: '/deals/1#a', params: { comment: 1 } };
const B = { title: 'Ben commented', body: 'Really?', url: '/deals/1#b', params: { comment: 2 } };

test('of one message it is that message', async () => {
  await defineDigest(db().sql, 'deals');
  expect(await summaryOf(A)).toMatchObject({ title: A.title, body: A.body, url: A.url });
});

test('of several it is the newest, and how many more there are, in the words of the declaration', async () => {
  await defineDigest(db().sql, 'deals', { moreText: 'und %s weitere' });
  expect(await summaryOf(A, A, B)).toMatchObject({ title: B.title, body: 'und 2 weitere', url: B.url });
});

test('title, body and url of the declaration come first', async () => {
  const texts = { title: 'News in your deals', body: 'See what changed', url: '/deals' };
  await defineDigest(db().sql, 'deals', texts);
  expect(await summaryOf(A, B)).toMatchObject(texts);
});

test('its params have the count, the key and the items, the newest first', async () => {
  await defineDigest(db().sql, 'deals');
  expect((await summaryOf(A, B)).params).toEqual({ count: 2, digest_key: 'deals:1', items: [B, A] });
});

test('no more items are named than the digest holds, or than fit; all are counted', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { maxItems: 2 });
  await sql`
    insert into public.push_notifications (user_id, title, digest_key)
    select ${user()}, 'Nr ' || i, 'deals:2' from generate_series(1, 5) i`;
  await closeDigests(sql, end());
  const [few] = await readSummaries(sql);
  expect(few?.params).toMatchObject({ count: 5 });
  expect(few?.params.items).toHaveLength(2);
});

test('what is large is summarised all the same, and reaches the device', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  const large = {
    title: 'ä'.repeat(500),
    body: '"'.repeat(8000),
    url: `/${'x'.repeat(2000)}`,
    params: { note: 'y'.repeat(1000) },
    category: 'c'.repeat(100),
  };
  const summary = await summaryOf(A, large, large);
  expect(summary.params).toMatchObject({ count: 3, items: [] });
  expect(await openAlarms(sql)).toEqual([]);
  expect(await claim(sql, end())).toHaveLength(1);
});

test('what a message says is no format of ours', async () => {
  await defineDigest(db().sql, 'deals');
  const odd = { title: '100 %s {{count}} \\1', body: '%I', url: '/a%20b' };
  expect(await summaryOf(odd)).toMatchObject(odd);
});

test('with a template it says what that makes of count and items, in the language of its user', async () => {
  const { sql } = db();
  const sample = { count: 2, items: [{ title: 'Anna commented', url: '/deals/1' }] };
  await saveTemplates(
    sql,
    {
      key: 'deals_digest',
      title: '{{count}} news',
      body: '{{#items}}{{title}}. {{/items}}',
      url: '/deals?n={{count}}',
      sample,
    },
    {
      key: 'deals_digest',
      locale: 'de',
      url: '/de/deals?n={{count}}',
      title: '{{count}} Neuigkeiten',
      body: '{{#items}}{{title}}. {{/items}}',
    },
  );
  await setLocales(sql, { [user()]: 'de-AT' });
  await defineDigest(sql, 'deals', { template: 'deals_digest' });
  expect(await summaryOf(A, B)).toMatchObject({
    title: '2 Neuigkeiten',
    body: 'Ben commented. Anna commented. ',
    url: '/de/deals?n=2',
  });
  expect(await openAlarms(sql)).toEqual([]);
});

test('one whose declaration is gone is summarised in plain words', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { title: 'News' });
  for (const message of [A, B]) await write(sql, user(), { digest_key: 'deals:1', ...message });
  await sql`select push.drop_digest('deals')`;
  await closeDigests(sql, end());
  expect(await readSummaries(sql)).toMatchObject([{ title: B.title, body: 'and 1 more' }]);
});

test('one that cannot be made as declared is made plainly, raises an alarm, and holds up no other', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { template: 'nobody_knows_it' });
  await defineDigest(sql, 'chat');
  await write(sql, user(), { digest_key: 'deals:1', ...A });
  await write(sql, user(), { digest_key: 'chat', ...B });
  await sql`create function public.refuse_template() returns trigger language plpgsql as $$
    begin raise exception 'no such template'; end $$`;
  await sql`create trigger zz_refuse before insert on public.push_notifications
    for each row when (new.template is not null) execute function public.refuse_template()`;
  try {
    expect(await closeDigests(sql, end())).toBe(2);
    expect((await readSummaries(sql)).map(({ title }) => title).sort()).toEqual([A.title, B.title]);
    expect(await openAlarms(sql)).toContain('digest_failed');
  } finally {
    await sql`drop trigger zz_refuse on public.push_notifications`;
    await sql`drop function public.refuse_template()`;
  }
  // The next one that works says that all is well again.
  await defineDigest(sql, 'deals');
  await write(sql, user(), { digest_key: 'deals:1', ...A });
  await closeDigests(sql, plus(end(), 3700));
  expect(await openAlarms(sql)).not.toContain('digest_failed');
});

test('one that fails an assertion of a trigger is made plainly, too', async () => {
  const { sql } = db();
  await saveTemplates(sql, { key: 'told', title: 'News' });
  await defineDigest(sql, 'deals', { template: 'told' });
  await write(sql, user(), { digest_key: 'deals:1', ...A });
  await sql`create function public.refuse_told() returns trigger language plpgsql as $$
    begin assert new.template is null, 'no templates here'; return new; end $$`;
  await sql`create trigger zz_refuse_told before insert on public.push_notifications
    for each row execute function public.refuse_told()`;
  try {
    expect(await closeDigests(sql, end())).toBe(1);
    expect((await readSummaries(sql)).map(({ title }) => title)).toEqual([A.title]);
    expect(await openAlarms(sql)).toContain('digest_failed');
  } finally {
    await sql`drop function public.refuse_told() cascade`;
  }
});

test('one that cannot be made at all stays, and is made later', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  await write(sql, user(), { digest_key: 'deals:1', ...A });
  await sql`alter table public.push_notifications add constraint broken check (inbox) not valid`;
  await closeDigests(sql, end());
  await sql`alter table public.push_notifications drop constraint broken`;
  expect(await readSummaries(sql)).toEqual([]);
  expect(await closeDigests(sql, plus(end(), 59))).toBe(0);
  expect(await closeDigests(sql, plus(end(), 61))).toBe(1);
  expect(await readSummaries(sql)).toHaveLength(1);
});

test('one whose limit another session holds is made later; the others are made now', async () => {
  const { sql, url } = db();
  const other = (await createUser(sql)).id;
  await defineDigest(sql, 'deals');
  await sql`
    insert into public.push_categories (key, title, throttle_limit, throttle_interval) values ('deals', 'Deals', 5, '1 hour')`;
  for (const one of [user(), other]) await write(sql, one, { digest_key: 'deals:1', category: 'deals' });
  await withSessions(url, 1, async (...[app]) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await write(app.sql, user(), { category: 'deals' });
    await closeDigests(sql, end());
    expect((await readSummaries(sql)).map(({ user_id }) => user_id)).toEqual([other]);
    await app.sql`commit`;
  });
  expect(await closeDigests(sql, plus(end(), 11))).toBe(1);
  expect(await readSummaries(sql)).toHaveLength(2);
});
