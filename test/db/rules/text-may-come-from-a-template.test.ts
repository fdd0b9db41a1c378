import { beforeAll, expect, test } from 'vitest';
import { readRuleErrors, watch } from '../../support/rules.ts';
import { saveTemplates } from '../../support/templates.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

beforeAll(async () => {
  const { sql } = db();
  await saveTemplates(sql, {
    key: 'deal_made',
    title: 'Deal {{deal}}',
    urgency: 'low',
    sample: { deal: 1 },
  });
  await saveTemplates(sql, {
    key: 'deal_moved',
    title: '{{changes.stage.old}} to {{changes.stage.new}}',
    sample: { changes: { stage: { old: 'open', new: 'won' } } },
  });
});

async function readMessages() {
  const { sql } = db();
  expect(await readRuleErrors(sql)).toEqual([]);
  return [...(await sql`select title, template, urgency, params from public.push_notifications`)];
}

test('title and urgency are left to it', async () => {
  const { sql } = db();
  await watch(sql, { title: null, template: 'deal_made', params: `jsonb_build_object('deal', new.id)` });
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  expect(await readMessages()).toEqual([
    { title: 'Deal 1', template: 'deal_made', urgency: 'low', params: { deal: 1 } },
  ]);
});

test('what the rule says itself stands', async () => {
  const { sql } = db();
  await watch(sql, {
    title: `'Mine'`,
    urgency: 'high',
    template: 'deal_made',
    params: `jsonb_build_object('deal', new.id)`,
  });
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  expect(await readMessages()).toEqual([
    { title: 'Mine', template: 'deal_made', urgency: 'high', params: { deal: 1 } },
  ]);
});

test('it is given what changed', async () => {
  const { sql } = db();
  await sql`insert into public.deals (id, owner_id, stage) values (1, ${owner()}, 'open')`;
  await watch(sql, { title: null, template: 'deal_moved', events: ['update'], columns: ['stage'] });
  await sql`update public.deals set stage = 'won'`;
  expect(await readMessages()).toMatchObject([
    { title: 'open to won', params: { changes: { stage: { old: 'open', new: 'won' } } } },
  ]);
});

test('a row that lacks what the template needs is told about, and the write goes through', async () => {
  const { sql } = db();
  await watch(sql, { title: null, template: 'deal_made' });
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  expect(await readRuleErrors(sql)).toMatchObject([
    { sqlstate: 'PT400', detail: 'template_params_missing', message: 'Template deal_made needs deal.' },
  ]);
  expect(await sql`select from public.deals`).toHaveLength(1);
});
