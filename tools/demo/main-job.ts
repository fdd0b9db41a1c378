import postgres from 'postgres';
import type { Stack } from '../local/stack.ts';
import { type DemoTable, type DemoUser, must, register, signUp, untilAllReported } from './demo-user.ts';
import type { Narrator } from './narrator.ts';

const DEALS = `
  create table public.deals (
    id bigint generated always as identity primary key,
    name text not null,
    stage text not null default 'new',
    owner_id uuid not null references auth.users (id)
  );
  alter table public.deals enable row level security;
  create policy deals_select on public.deals for select to authenticated using ((select auth.uid()) = owner_id);
  create policy deals_insert on public.deals for insert to authenticated with check ((select auth.uid()) = owner_id);
  create policy deals_update on public.deals for update to authenticated
    using ((select auth.uid()) = owner_id) with check ((select auth.uid()) = owner_id);
  grant select, insert, update on public.deals to authenticated;
`;

const RULE = `select push.watch(
  'deal_stage', 'public.deals',
  p_events     => '{update}',
  p_columns    => '{stage}',
  p_recipients => $$ new.owner_id $$,
  p_title      => $$ new.name || ' is ' || new.stage $$,
  p_body       => $$ 'It was ' || old.stage || ' until now.' $$,
  p_url        => $$ '/deals/' || new.id $$,
  p_params     => $$ jsonb_build_object('deal', new.id, 'stage', new.stage) $$
)`;

interface Tables {
  deals: DemoTable<
    { id: number; name: string; stage: string; owner_id: string },
    { name: string; owner_id: string }
  >;
}

/** The main job: a row changes under RLS, and the devices of its owner decrypt a push. Throws when anything is off. */
export async function runMainJob(stack: Stack, narrator: Narrator): Promise<void> {
  const { chapter, say, check } = narrator;
  const sql = postgres(stack.databaseUrl, { max: 2, onnotice: () => {} });
  try {
    chapter('1. Two people sign up and register their devices');
    const anna = await signUp<Tables>(stack, 'Anna');
    const ben = await signUp<Tables>(stack, 'Ben');
    say('Anna and Ben signed up through supabase-js');
    const laptop = await register(stack, anna, 'desktop');
    const phone = await register(stack, anna, 'mobile');
    const tablet = await register(stack, anna, 'tablet');
    const bensPhone = await register(stack, ben, 'mobile');
    say('Anna inserted three subscriptions, Ben one: plain rows in public.push_subscriptions, under RLS');
    await showThatStrangersAreRefused(anna, ben, check);

    chapter('2. A rule, declared in SQL by the database owner');
    await sql.unsafe(DEALS);
    await sql.unsafe(RULE);
    say('when public.deals.stage changes, notify new.owner_id: compiled into a statement-level trigger');

    chapter("3. A deal changes its stage; Anna's tablet has been thrown away");
    tablet.remove();
    const deal = await must(
      anna.client.from('deals').insert({ name: 'Acme', owner_id: anna.id }).select('id').single(),
    );
    await must(anna.client.from('deals').update({ stage: 'won' }).eq('id', deal.id));
    const committed = Date.now();
    say(`Anna's app updated deal ${deal.id} to "won"; the transaction is committed`);
    for (const [name, device] of Object.entries({ laptop, phone })) {
      const message = await device.next({ timeoutMs: 20_000 });
      const { title, body, navigate } = (message.json as { notification: Record<string, string> })
        .notification;
      say(
        `Anna's ${name} decrypted: "${title}" / "${body}" → ${navigate}   ${message.arrivedAt - committed} ms after commit`,
      );
      check(
        title === 'Acme is won' && navigate === `/deals/${deal.id}`,
        `Anna's ${name} got the right message`,
      );
    }

    chapter('4. What the sending left behind');
    await untilAllReported(sql);
    const rows = await must(anna.client.from('push_subscriptions').select('device_type, last_used_at'));
    const types = rows.map((row) => row.device_type).sort();
    check(types.join() === 'desktop,mobile', 'the push service said 410 for the tablet: its row is gone');
    check(
      rows.every((row) => row.last_used_at !== null),
      'last_used_at is set on the other two',
    );
    check(bensPhone.messages.length === 0, "Ben's phone got nothing");
    const inbox = await must(ben.client.from('push_notifications').select('id'));
    check(inbox.length === 0, "Ben cannot read Anna's notifications either");

    chapter('5. A scheduled notification, released by pg_cron');
    const [scheduled] = await sql`
      select push.notify(${ben.id}::uuid, 'Stand-up in a minute', p_url => '/calendar',
        p_send_at => now() + interval '3 seconds') as id`;
    say(`push.notify(…, p_send_at => now() + 3 s) returned ${scheduled?.id}; the tick runs every 10 seconds`);
    const reminder = await bensPhone.next({ timeoutMs: 30_000 });
    check(
      reminder.text?.includes('Stand-up in a minute') === true,
      "Ben's phone decrypted it when it was due",
    );
    check(
      laptop.messages.length === 1 && phone.messages.length === 1,
      "Anna's devices rang once each, and not for Ben",
    );
  } finally {
    await sql.end();
  }
}

async function showThatStrangersAreRefused(
  anna: DemoUser<Tables>,
  ben: DemoUser<Tables>,
  check: Narrator['check'],
): Promise<void> {
  const seen = await must(ben.client.from('push_subscriptions').select('id').eq('user_id', anna.id));
  check(seen.length === 0, "Ben asks for Anna's subscriptions: []");
  const deleted = await must(
    ben.client.from('push_subscriptions').delete().eq('user_id', anna.id).select('id'),
  );
  check(deleted.length === 0, 'Ben tries to delete them: nothing is deleted');
  const own = await must(ben.client.from('push_subscriptions').select('endpoint, p256dh, auth').single());
  const forged = await ben.client
    .from('push_subscriptions')
    .insert({ ...own, endpoint: `${own.endpoint}x`, user_id: anna.id });
  check(
    forged.error?.code === '42501',
    `Ben tries to insert one in Anna's name: refused (${forged.error?.code})`,
  );
  const inward = await ben.client
    .from('push_subscriptions')
    .insert({ ...own, endpoint: 'https://169.254.169.254/latest' });
  check(
    inward.error?.details === 'endpoint_not_allowed',
    `Ben registers an address inside the data centre: refused (${inward.error?.details})`,
  );
}
