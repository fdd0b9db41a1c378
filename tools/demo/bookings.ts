import postgres from 'postgres';
import type { Stack } from '../local/stack.ts';
import { applyExample } from './apply-example.ts';
import { type DemoTable, must } from './demo-user.ts';
import type { Narrator } from './narrator.ts';
import { gather } from './phones.ts';

interface Tables {
  studios: DemoTable<{ id: number; name: string }, { name: string }>;
  bookings: DemoTable<
    { id: number; starts_at: string; status: string },
    { studio_id: number; starts_at: string }
  >;
}

/** `examples/bookings`: a studio's owner, a guest, and another guest. */
export async function actBookings(stack: Stack, narrator: Narrator): Promise<void> {
  const { chapter, say, check } = narrator;
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    chapter('1. Sara has a yoga studio, Gus and Mia are guests');
    await applyExample(stack.databaseUrl, 'bookings');
    say('applied examples/bookings: two tables under row-level security, three rules, a reminder');
    const cast = await gather<'Sara' | 'Gus' | 'Mia', Tables>(stack, sql, narrator, ['Sara', 'Gus', 'Mia']);
    const { sara, gus, mia } = cast.people;
    const studio = await must(sara.client.from('studios').insert({ name: 'Lotus' }).select().single());

    chapter('2. Gus asks for a time');
    const booking = await must(
      gus.client
        .from('bookings')
        .insert({ studio_id: studio.id, starts_at: '2030-06-01T08:00:00Z' })
        .select()
        .single(),
    );
    await cast.expectOnPhones({ Sara: { title: 'New booking', body: 'Lotus, 1 June, 10:00' } });
    const own = await gus.client.from('bookings').update({ status: 'confirmed' }).eq('id', booking.id);
    check(own.error?.code === '42501', 'Gus cannot confirm it himself');
    const foreign = await must(
      mia.client.from('bookings').update({ status: 'cancelled' }).eq('id', booking.id).select(),
    );
    check(foreign.length === 0, 'Mia cannot cancel it: she does not even see it');

    chapter('3. Sara confirms');
    await must(sara.client.from('bookings').update({ status: 'confirmed' }).eq('id', booking.id).select());
    await cast.expectOnPhones({ Gus: { title: 'Your booking is confirmed', body: 'Lotus, 1 June, 10:00' } });

    chapter('4. The day comes');
    say('the demo does not wait for it: it tells the reminders that it is 1 June 2030, 07:00 UTC');
    await sql`select push.send_reminders(100, '2030-06-01T07:00:00Z')`;
    await cast.expectOnPhones({ Gus: { title: 'Your booking in an hour', body: 'Lotus, 1 June, 10:00' } });

    chapter('5. Gus cancels');
    await must(gus.client.from('bookings').update({ status: 'cancelled' }).eq('id', booking.id).select());
    await cast.expectOnPhones({ Sara: { title: 'Booking cancelled', body: 'Lotus, 1 June, 10:00' } });

    chapter("6. What Sara's app shows");
    const inbox = await must(sara.client.rpc('push_inbox'));
    for (const { title, body } of inbox) say(`${title} / ${body}`);
    check(inbox.length === 2, 'Sara finds both messages');
    check((await gus.client.rpc('push_unread_count')).data === 2, 'Gus has two that he has not read');
  } finally {
    await sql.end();
  }
}
