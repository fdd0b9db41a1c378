import postgres from 'postgres';
import type { Stack } from '../local/stack.ts';
import { applyExample } from './apply-example.ts';
import { type DemoTable, must } from './demo-user.ts';
import type { Narrator } from './narrator.ts';
import { gather } from './phones.ts';

interface Tables {
  events: DemoTable<
    { id: number; title: string; venue: string; starts_at: string; status: string },
    { title: string; venue: string; starts_at: string }
  >;
}

/** `examples/events`: an organiser, a ticket holder, a user whose ticket was returned, and a curious user without one. */
export async function actEvents(stack: Stack, narrator: Narrator): Promise<void> {
  const { chapter, say, check } = narrator;
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    chapter('1. Olga organises; Hugo and Rita come; Tom wants to hear of everything new');
    await applyExample(stack.databaseUrl, 'events');
    say('applied examples/events: two tables under row-level security, a rule, a topic');
    const cast = await gather<'Olga' | 'Hugo' | 'Rita' | 'Tom', Tables>(stack, sql, narrator, [
      'Olga',
      'Hugo',
      'Rita',
      'Tom',
    ]);
    const { olga, hugo, rita, tom } = cast.people;
    await must(tom.client.from('push_topic_members').insert({ topic: 'events' }).select());
    say('Tom joined the topic "events"');

    chapter('2. An event is published');
    const event = await must(
      olga.client
        .from('events')
        .insert({ title: 'Concert', venue: 'Town hall', starts_at: '2030-06-01T18:00:00Z' })
        .select()
        .single(),
    );
    say('Olga wrote a draft');
    await cast.expectOnPhones({});
    const change = async (values: Partial<Tables['events']['Row']>): Promise<void> => {
      await must(olga.client.from('events').update(values).eq('id', event.id).select().single());
    };
    await change({ status: 'published' });
    say('Olga published it');
    await cast.expectOnPhones({ Tom: { title: 'New: Concert', body: '1 June, 20:00 at Town hall' } });

    chapter('3. It moves; Hugo holds two tickets, Rita has returned hers');
    await sql`
      insert into public.tickets (event_id, holder_id, status)
      values (${event.id}, ${hugo.id}, 'valid'), (${event.id}, ${hugo.id}, 'valid'), (${event.id}, ${rita.id}, 'returned')`;
    await change({ venue: 'Castle', starts_at: '2030-06-01T19:30:00Z' });
    say('Olga changed time and venue');
    await cast.expectOnPhones({
      Hugo: {
        title: 'Changed: Concert',
        body: '1 June, 21:30 (was 1 June, 20:00) at Castle (was Town hall)',
      },
    });
    await change({ title: 'Big concert' });
    say('Olga gave it another title, which no rule is about');
    await cast.expectOnPhones({});

    chapter('4. It is cancelled');
    await change({ status: 'cancelled' });
    await cast.expectOnPhones({ Hugo: { title: 'Cancelled: Big concert' } });

    chapter('5. What the apps show');
    const inbox = await must(hugo.client.rpc('push_inbox'));
    for (const { title, body } of inbox) say(`Hugo: ${title} / ${body}`);
    check(inbox.length === 2, 'Hugo finds both messages');
    const news = await must(tom.client.rpc('push_inbox', { p_category: 'events' }));
    check(news[0]?.audience_topic === 'events', "Tom finds the topic's message in his");
    const left = await tom.client.rpc('push_mark_read', { p_ids: news.map(({ id }) => id) });
    check(left.data === 0, 'and has read it');
  } finally {
    await sql.end();
  }
}
