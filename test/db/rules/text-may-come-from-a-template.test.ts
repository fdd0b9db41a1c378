import { beforeAll, expect, test } from 'vitest';
import { readRuleErrors, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

// Stands in for whatever makes the text: what arrives there is what the rule has to say.
beforeAll(async () => {
  await db().sql.unsafe(`
    create function public.render() returns trigger language plpgsql as $$
    begin
      if new.title = '' then
        new.title := new.template || ' ' || new.params::text;
      end if;
      if new.urgency = '' then
        new.urgency := 'low';
      end if;
      return new;
    end $$;
    create trigger a_render before insert on public.push_notifications
      for each row when (new.template is not null) execute function public.render()`);
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
    { title: 'deal_made {"deal": 1}', template: 'deal_made', urgency: 'low', params: { deal: 1 } },
  ]);
});

test('what the rule says itself stands', async () => {
  const { sql } = db();
  await watch(sql, { title: `'Mine'`, urgency: 'high', template: 'deal_made' });
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  expect(await readMessages()).toEqual([
    { title: 'Mine', template: 'deal_made', urgency: 'high', params: {} },
  ]);
});

test('it is given what changed', async () => {
  const { sql } = db();
  await sql`insert into public.deals (id, owner_id, stage) values (1, ${owner()}, 'open')`;
  await watch(sql, { title: null, template: 'deal_moved', events: ['update'], columns: ['stage'] });
  await sql`update public.deals set stage = 'won'`;
  expect(await readMessages()).toMatchObject([
    { params: { changes: { stage: { old: 'open', new: 'won' } } } },
  ]);
});
