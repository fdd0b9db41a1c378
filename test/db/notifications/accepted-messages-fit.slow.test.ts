import { expect, test } from 'vitest';
import {
  encodePayload,
  MAX_PAYLOAD_BYTES,
  type Presentation,
} from '../../../src/server/notification/payload.ts';
import { createUser } from '../../support/postgres.ts';
import { createRandom, randomContent } from '../../support/random-content.ts';
import { LONGEST_RECEIPT } from '../../support/receipts.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

interface Stored {
  id: string;
  title: string;
  body: string | null;
  url: string | null;
  params: Record<string, unknown>;
  category: string | null;
  collapseKey: string | null;
  tag: string | null;
  presentation: Presentation | null;
}

/** What Postgres writes more than JSON.stringify: a space behind each comma and colon. */
function separators(value: unknown): number {
  if (Array.isArray(value)) return Math.max(value.length - 1, 0) + sum(value);
  if (typeof value !== 'object' || value === null) return 0;
  const values = Object.values(value);
  return Math.max(values.length - 1, 0) + values.length + sum(values);
}

function sum(values: unknown[]): number {
  return values.reduce<number>((total, value) => total + separators(value), 0);
}

test('of 2,500 random messages each that is accepted can be sent, and none is refused that easily could', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await sql.unsafe(`
    create function public.try_messages(p_user uuid, p_messages jsonb) returns text[] language plpgsql as $$
    declare
      v_message record;
      v_detail text;
      v_answers text[] := '{}';
    begin
      for v_message in select * from jsonb_to_recordset(p_messages) as m (
        title text, body text, url text, params jsonb, category text, "collapseKey" text, tag text, presentation jsonb
      ) loop
        begin
          insert into public.push_notifications (user_id, title, body, url, params, category, collapse_key, tag, presentation)
          values (p_user, v_message.title, v_message.body, v_message.url, v_message.params, v_message.category,
            v_message."collapseKey", v_message.tag, nullif(v_message.presentation, 'null'));
          v_answers := v_answers || 'accepted'::text;
        exception when sqlstate 'PT413' then
          get stacked diagnostics v_detail = pg_exception_detail;
          v_answers := v_answers || v_detail;
        end;
      end loop;
      return v_answers;
    end $$`);
  const random = createRandom(4711);
  const counts = { accepted: 0, refused: 0 };
  for (let batch = 0; batch < 5; batch += 1) {
    const contents = Array.from({ length: 500 }, () => randomContent(random));
    const [row] = await sql<{ answers: string[] }[]>`
      select public.try_messages(${user.id}, ${sql.json(contents as never)}) as answers`;
    const stored = await sql<Stored[]>`
      delete from public.push_notifications
      returning id, title, body, url, params, category, collapse_key, tag, presentation`;
    counts.accepted += stored.length;
    for (const { id, ...message } of stored)
      expect(
        encodePayload(
          { notificationId: id, position: Number.MAX_SAFE_INTEGER, appUrl: null, ...message },
          LONGEST_RECEIPT,
        ).length,
      ).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);

    const refused = contents.filter((_, index) => row?.answers[index] !== 'accepted');
    counts.refused += refused.length;
    expect(row?.answers.filter((answer) => answer !== 'accepted')).toEqual(
      refused.map(() => 'notification_too_large'),
    );
    for (const content of refused) {
      // Postgres writes numbers out (1.5e300) and counts what is null; the rest is the same byte for byte.
      const { presentation } = content;
      const actions = presentation?.actions?.length ?? 0;
      // Every action is counted as if it had the url of the message, and its names.
      const written =
        encodePayload(content, LONGEST_RECEIPT).length +
        separators(content.params) +
        separators(presentation) +
        70 +
        actions * 30;
      const numbers = JSON.stringify(content.params).includes('e+300') ? 400 * 9 : 200;
      expect(written + numbers).toBeGreaterThan(MAX_PAYLOAD_BYTES);
    }
  }
  expect(counts.accepted).toBeGreaterThan(1000);
  expect(counts.refused).toBeGreaterThan(200);
});

test.each([
  ['plain', 'x'],
  ['escaped', '\u0001'],
  ['of four bytes', '😀'],
])('data that is %s is accepted up to the limit, to a few bytes', async (_what, piece) => {
  const { sql } = db();
  const user = await createUser(sql);
  const texts = { title: 'T'.repeat(1000), body: 'B'.repeat(8000) };
  const fits = async (length: number): Promise<Stored | undefined> => {
    const params = sql.json({ text: piece.repeat(length) });
    const made = await sql<Stored[]>`
      insert into public.push_notifications (user_id, title, body, params)
      values (${user.id}, ${texts.title}, ${texts.body}, ${params})
      returning id, title, body, url, params, category, collapse_key, tag, presentation`.catch(() => []);
    return made[0];
  };
  let [low, high] = [0, 4000];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await fits(middle)) low = middle;
    else high = middle;
  }
  const { id, ...largest } = (await fits(low)) as Stored;
  const { length } = encodePayload(
    { notificationId: id, position: Number.MAX_SAFE_INTEGER, appUrl: null, ...largest },
    LONGEST_RECEIPT,
  );
  expect(length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
  expect(length).toBeGreaterThan(MAX_PAYLOAD_BYTES - 60);
});
