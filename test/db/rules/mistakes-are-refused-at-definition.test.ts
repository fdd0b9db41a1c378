import { expect, test } from 'vitest';
import { refusalOf } from '../../support/refusal.ts';
import { type Rule, readTitles, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

test.each<[string, Rule, string]>([
  ['a misspelt column in the title', { title: 'new.titel' }, 'rule_does_not_compile'],
  ['a misspelt column in the body', { body: 'new.titel' }, 'rule_does_not_compile'],
  ['a misspelt column in the url', { url: `'/' || new.idd` }, 'rule_does_not_compile'],
  [
    'a misspelt column in the params',
    { params: `jsonb_build_object('a', new.titel)` },
    'rule_does_not_compile',
  ],
  ['a misspelt column in the condition', { condition: `new.stag = 'won'` }, 'rule_does_not_compile'],
  ['a misspelt column in the recipients', { recipients: 'new.ownr_id' }, 'rule_does_not_compile'],
  ['a misspelt column in the key', { key: 'new.idd::text' }, 'rule_does_not_compile'],
  [
    'a misspelt column of old',
    { events: ['update'], condition: 'old.stag is null' },
    'rule_does_not_compile',
  ],
  ['a misspelt function', { title: 'uper(new.title)' }, 'rule_does_not_compile'],
  ['a function without its schema', { title: 'my_title(new.title)' }, 'rule_does_not_compile'],
  ['a table without its schema', { recipients: 'select owner_id from deals' }, 'rule_does_not_compile'],
  ['a syntax error', { title: `'a' ||` }, 'rule_does_not_compile'],
  ['a misspelt column in the time to send at', { sendAt: 'new.due' }, 'rule_does_not_compile'],
  ['a misspelt column in the time to expire at', { expiresAt: 'new.due' }, 'rule_does_not_compile'],
  ['a text as the time to send at', { sendAt: `'tomorrow'` }, 'rule_does_not_compile'],
  ['a duration as the time to expire at', { expiresAt: `interval '1 hour'` }, 'rule_does_not_compile'],
  ['a local time to send at', { sendAt: `now() at time zone 'UTC'` }, 'rule_does_not_compile'],
  ['a date to expire at', { expiresAt: 'current_date' }, 'rule_does_not_compile'],
  ['several times to send at', { sendAt: `generate_series(now(), now(), '1 day')` }, 'rule_does_not_compile'],
  ['an open bracket', { title: `upper('a'` }, 'rule_does_not_compile'],
  ['an open quote', { title: `'a` }, 'rule_does_not_compile'],
  ['a closing bracket too many', { condition: 'true)' }, 'rule_does_not_compile'],
  ['a second statement', { title: `'a'; drop table public.deals; --` }, 'rule_does_not_compile'],
  ['an empty title', { title: '' }, 'rule_does_not_compile'],
  ['an empty condition', { condition: '' }, 'rule_does_not_compile'],
  ['an aggregate', { title: 'max(new.title)' }, 'rule_does_not_compile'],
  ['a parameter', { title: '$1' }, 'rule_does_not_compile'],
  ['a condition that is no boolean', { condition: 'new.title' }, 'rule_does_not_compile'],
  ['recipients that are no user ids', { recipients: 'new.title' }, 'rule_does_not_compile'],
  ['recipients that are texts', { recipients: 'select title from public.deals' }, 'rule_does_not_compile'],
  [
    'a query of two columns',
    { recipients: 'select id, owner_id from public.deals' },
    'rule_does_not_compile',
  ],
  ['params that cannot be json', { params: 'new.team' }, 'rule_does_not_compile'],
  [
    'an unknown column to compare',
    { events: ['update'], columns: ['stage', 'stag'] },
    'rule_columns_unknown',
  ],
  ['a system column to compare', { events: ['update'], columns: ['ctid'] }, 'rule_columns_unknown'],
  ['columns without update', { columns: ['stage'] }, 'rule_columns_without_update'],
  ['no event', { events: [] }, 'rule_events_unknown'],
  ['null as events', { events: null }, 'rule_events_unknown'],
  ['an unknown event', { events: ['insert', 'truncate'] }, 'rule_events_unknown'],
  ['an event in upper case', { events: ['INSERT'] }, 'rule_events_unknown'],
  ['an unknown urgency', { urgency: 'urgent' }, 'urgency_unknown'],
  ['an empty name', { name: '' }, 'rule_name_malformed'],
  ['a name of 41 characters', { name: 'x'.repeat(41) }, 'rule_name_malformed'],
  ['a name in upper case', { name: 'Deals' }, 'rule_name_malformed'],
  ['a name that starts with a digit', { name: '1deal' }, 'rule_name_malformed'],
  ['a name with a quote', { name: `a"; drop table public.deals; --` }, 'rule_name_malformed'],
  ['a name with a newline', { name: 'deal\n' }, 'rule_name_malformed'],
])('%s', async (_what, rule, code) => {
  const { sql } = db();
  expect(await refusalOf(watch(sql, rule))).toMatchObject({
    sqlstate: 'PT400',
    code,
    message: expect.stringMatching(/\w{3}/),
    hint: expect.stringMatching(/\S/),
  });
  expect(await sql`select from push.rules`).toHaveLength(0);
  const triggers =
    await sql`select from pg_trigger where tgrelid = 'public.deals'::regclass and not tgisinternal`;
  expect(triggers).toHaveLength(0);
});

test.each<[string, Rule]>([
  ['a ttl out of range', { ttl: -1 }],
  ['a ttl of more than 28 days', { ttl: 2_419_201 }],
  ['a malformed collapse key', { collapseKey: 'a b' }],
  ['a category of 10 kB', { category: 'x'.repeat(10_000) }],
  ['a category of a colon', { category: ':' }],
  ['a url that leads elsewhere', { url: `'//evil.tld'` }],
  ['a url with an empty label', { url: `'https://a..b'` }],
  ['an unknown member of the presentation', { presentation: `'{"noise": 1}'` }],
  [
    'two actions of one key',
    { presentation: `'{"actions": [{"action": "a", "title": "x"}, {"action": "a", "title": "y"}]}'` },
  ],
  ['no recipients', { recipients: null }],
  ['no title', { title: null }],
])('%s, which would fail at every firing', async (_what, rule) => {
  const { sql } = db();
  expect(await refusalOf(watch(sql, rule))).toMatchObject({
    sqlstate: 'PT400',
    code: expect.stringMatching(/^[a-z0-9_]+$/),
    hint: expect.stringMatching(/\S/),
  });
  expect(await sql`select from push.rules`).toHaveLength(0);
});

test('what does not compile is quoted with the reason Postgres gave', async () => {
  const refusal = await refusalOf(watch(db().sql, { name: 'deal_won', title: 'new.titel' }));
  expect(refusal.message).toMatch(/deal_won.*insert.*titel/s);
});

test('a time without a zone is refused with its name and type', async () => {
  const refusal = await refusalOf(watch(db().sql, { sendAt: 'localtimestamp' }));
  expect(refusal.message).toMatch(/send_at must be a timestamptz, and this is a timestamp without time zone/);
});

test('a table without a primary key is refused for update, and watched for insert and delete', async () => {
  const { sql } = db();
  await sql`create table public.logs (owner_id uuid, line text)`;
  try {
    expect(await refusalOf(watch(sql, { table: 'public.logs', events: ['update'] }))).toMatchObject({
      sqlstate: 'PT400',
      code: 'rule_needs_primary_key',
      message: expect.stringContaining('logs'),
    });
    await watch(sql, {
      table: 'public.logs',
      events: ['insert', 'delete'],
      recipients: 'coalesce(new.owner_id, old.owner_id)',
      title: `coalesce('new ' || new.line, 'old ' || old.line)`,
    });
    await sql`insert into public.logs values (${owner()}, 'line')`;
    await sql`delete from public.logs`;
    expect(await readTitles(sql)).toEqual(['new line', 'old line']);
  } finally {
    await sql`drop table public.logs`;
  }
});

test('a view is refused', async () => {
  const { sql } = db();
  await sql`create view public.open_deals as select * from public.deals`;
  expect(await refusalOf(watch(sql, { table: 'public.open_deals' }))).toMatchObject({
    sqlstate: 'PT400',
    code: 'rule_table_unsuitable',
  });
  await sql`drop view public.open_deals`;
});

test.each(['public.push_notifications', 'push.rule_errors', 'push.queue', 'push.delivery_log'])(
  '%s is refused: the rule would set itself off',
  async (table) => {
    const { sql } = db();
    expect(await refusalOf(watch(sql, { table, recipients: 'null::uuid' }))).toMatchObject({
      sqlstate: 'PT400',
      code: 'rule_table_unsuitable',
      message: expect.stringContaining('trigger itself'),
    });
  },
);

test('a table that does not exist is refused', async () => {
  expect((await refusalOf(watch(db().sql, { table: 'public.dealz' }))).sqlstate).toBe('42P01');
});

test('no table is refused', async () => {
  const { sql } = db();
  expect(await refusalOf(sql`select push.watch('x', null, 'new.owner_id', '1')`)).toMatchObject({
    sqlstate: 'PT400',
    code: 'rule_table_missing',
  });
});

test('defining a rule notifies no user, whatever the table holds', async () => {
  const { sql } = db();
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  await watch(sql, { events: ['insert', 'update', 'delete'] });
  expect(await readTitles(sql)).toEqual([]);
});
