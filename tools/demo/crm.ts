import postgres from 'postgres';
import type { Stack } from '../local/stack.ts';
import { applyExample } from './apply-example.ts';
import { type DemoTable, must } from './demo-user.ts';
import type { Narrator } from './narrator.ts';
import { gather } from './phones.ts';

interface Tables {
  contacts: DemoTable<
    { id: number; name: string },
    { organisation_id: number; name: string; owner_id?: string }
  >;
  deals: DemoTable<{ id: number; name: string; stage: string }, { organisation_id: number; name: string }>;
  team_updates: DemoTable<{ id: number; text: string }, { organisation_id: number; text: string }>;
}

/** `examples/crm`: three colleagues and a member of another organisation. */
export async function actCrm(stack: Stack, narrator: Narrator): Promise<void> {
  const { chapter, say, check } = narrator;
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    chapter('1. Anna, Ben and Carla work together, Dora elsewhere');
    await applyExample(stack.databaseUrl, 'crm');
    say('applied examples/crm: five tables under row-level security, three rules');
    const cast = await gather<'Anna' | 'Ben' | 'Carla' | 'Dora', Tables>(stack, sql, narrator, [
      'Anna',
      'Ben',
      'Carla',
      'Dora',
    ]);
    const { anna, ben, carla, dora } = cast.people;
    const [ours, theirs] = (await sql`
      insert into public.organisations (name) values ('Acme'), ('Elsewhere') returning id::int`) as unknown as [
      { id: number },
      { id: number },
    ];
    await sql`
      insert into public.organisation_members (organisation_id, user_id)
      values (${ours.id}, ${anna.id}), (${ours.id}, ${ben.id}), (${ours.id}, ${carla.id}), (${theirs.id}, ${dora.id})`;
    say('Acme has Anna, Ben and Carla for its members');

    chapter('2. Contacts are created');
    await must(anna.client.from('contacts').insert({ organisation_id: ours.id, name: 'Grace' }).select());
    say('Anna made one for herself');
    await cast.expectOnPhones({});
    await must(
      ben.client
        .from('contacts')
        .insert({ organisation_id: ours.id, name: 'Ada', owner_id: anna.id })
        .select(),
    );
    say('Ben made one for Anna to look after');
    await cast.expectOnPhones({ Anna: { title: 'New contact: Ada' } });
    const abroad = await ben.client
      .from('contacts')
      .insert({ organisation_id: ours.id, name: 'Spam', owner_id: dora.id });
    check(abroad.error !== null, 'Ben cannot make one for Dora, who is no colleague');

    chapter('3. A deal changes its stage');
    const deal = await must(
      anna.client.from('deals').insert({ organisation_id: ours.id, name: 'Rocket' }).select().single(),
    );
    await must(ben.client.from('deals').update({ stage: 'won' }).eq('id', deal.id).select().single());
    say("Ben moved Anna's deal from new to won");
    await cast.expectOnPhones({ Anna: { title: 'Rocket is won', body: 'It was new until now.' } });
    await must(ben.client.from('deals').update({ name: 'Big rocket' }).eq('id', deal.id).select().single());
    say('Ben gave it another name, which no rule is about');
    await cast.expectOnPhones({});

    chapter('4. Carla tells the team');
    await must(
      carla.client.from('team_updates').insert({ organisation_id: ours.id, text: 'Cake at three.' }).select(),
    );
    await cast.expectOnPhones({
      Anna: { title: 'Update for Acme', body: 'Cake at three.' },
      Ben: { title: 'Update for Acme', body: 'Cake at three.' },
    });

    chapter("5. What Anna's app shows");
    const inbox = await must(anna.client.rpc('push_inbox'));
    for (const { title, category, params } of inbox) say(`${category}: ${title} ${JSON.stringify(params)}`);
    check((await anna.client.rpc('push_unread_count')).data === 3, 'three are unread');
    const seen = inbox[0]?.send_at ?? '';
    check(
      (await anna.client.rpc('push_mark_all_read', { p_until: seen })).data === 0,
      'none is, once Anna marked all as read',
    );
    check((await must(dora.client.rpc('push_inbox'))).length === 0, "Dora's inbox is empty");
  } finally {
    await sql.end();
  }
}
