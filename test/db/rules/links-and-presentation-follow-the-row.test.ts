import { afterEach, beforeEach, expect, test } from 'vitest';
import { refusalOf } from '../../support/refusal.ts';
import { readFailedRows, readRuleErrors, readTold, removeRules, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();
beforeEach(() => db().sql`delete from push.rule_errors`);
afterEach(() => removeRules(db().sql));

const insert = (id: number, title: string) =>
  db().sql`insert into public.deals (id, owner_id, title) values (${id}, ${owner()}, ${title})`;

test.each([
  ['a space', 'Acme Corp', '/deals/Acme%20Corp'],
  ['a tab', 'Acme\tCorp', '/deals/Acme%09Corp'],
  ['a line break', 'Acme\r\nCorp', '/deals/Acme%0D%0ACorp'],
  ['a backslash', 'Acme\\Corp', '/deals/Acme%5CCorp'],
  ['a space of another kind', 'Acme\u3000Corp', '/deals/Acme%E3%80%80Corp'],
  ['nothing of the kind', 'Acme/Grüße%20x?a=1#b', '/deals/Acme/Grüße%20x?a=1#b'],
])('a link made of a name with %s leads there', async (_what, title, url) => {
  const { sql } = db();
  await watch(sql, { url: `'/deals/' || new.title` });
  await insert(1, title);
  expect(await readTold(sql)).toMatchObject([{ url }]);
  expect(await readRuleErrors(sql)).toEqual([]);
});

test('no name makes a link lead elsewhere: what cannot be encoded away costs its row alone', async () => {
  const { sql } = db();
  await watch(sql, { url: `new.title` });
  for (const [id, title] of [
    '/\\evil.tld',
    '/\t/evil.tld',
    '//evil.tld',
    'java\nscript:alert(1)',
    ' //evil.tld',
  ].entries())
    await insert(id, title);
  const urls = (await readTold(sql)).map(({ url }) => url);
  expect(urls.map((url) => new URL(url ?? '', 'https://app.example').origin)).toEqual(
    urls.map(() => 'https://app.example'),
  );
  expect(await readFailedRows(sql)).toMatchObject([
    { row_key: { id: 2 } },
    { row_key: { id: 3 } },
    { row_key: { id: 4 } },
  ]);
});

test('the presentation is an expression over the row', async () => {
  const { sql } = db();
  await watch(sql, {
    events: ['update'],
    columns: ['stage'],
    presentation: `jsonb_build_object('thread', 'deal:' || new.id, 'sound', case new.stage when 'won' then 'fanfare.caf' else 'default' end)`,
  });
  await insert(7, 'Acme');
  await sql`update public.deals set stage = 'won'`;
  const rows = await sql`select presentation from public.push_notifications`;
  expect([...rows]).toEqual([{ presentation: { thread: 'deal:7', sound: 'fanfare.caf' } }]);
});

test('one that is wrong costs its row, and one that does not compile is refused', async () => {
  const { sql } = db();
  await watch(sql, { presentation: `jsonb_build_object('sound', new.title)` });
  await insert(1, 'chime');
  await insert(2, '../chime');
  expect(await readTold(sql)).toHaveLength(1);
  expect(await readFailedRows(sql)).toMatchObject([
    { row_key: { id: 2 }, message: expect.stringContaining('sound') },
  ]);
  expect(await refusalOf(watch(sql, { presentation: 'new.nothing' }))).toMatchObject({
    code: 'rule_does_not_compile',
  });
});

test('a digest key made of a name with a space in it gathers its messages', async () => {
  const { sql } = db();
  await sql`select push.define_digest('deals', '1 hour')`;
  await watch(sql, { digestKey: `'deals:' || new.title` });
  await insert(1, 'Acme Corp');
  await insert(2, 'Acme Corp');
  expect(await readRuleErrors(sql)).toEqual([]);
  const rows = await sql`select distinct digest_key, status from public.push_notifications`;
  expect([...rows]).toEqual([{ digest_key: 'deals:Acme%20Corp', status: 'digested' }]);
});

test('declaring it leaves nothing behind of what its expressions do', async () => {
  const { sql } = db();
  await sql.unsafe(`
    create table public.looks (id int);
    create function public.look() returns text language sql as $$ insert into public.looks values (1); select '/looked' $$`);
  await watch(sql, { url: 'public.look()' });
  expect(await sql`select from public.looks`).toHaveLength(0);
  await insert(1, 'Acme');
  expect(await readTold(sql)).toMatchObject([{ url: '/looked' }]);
});
