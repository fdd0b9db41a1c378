import type postgres from 'postgres';
import { expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { createRandom, randomText } from '../../support/random-content.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const CASES = 3000;

/** Values around every limit: those that pass, those that just pass, and those that do not. */
function randomNotification(random: (limit: number) => number, userId: string): Record<string, unknown> {
  const pick = <T>(...values: T[]): T => values[random(values.length)] as T;
  const of = (bytes: number) => randomText(random, bytes);
  // Mostly good, so that most cases come as far as the last condition.
  const mostly = <T>(good: T, other: () => T): T => (random(12) > 0 ? good : other());
  return {
    user_id: mostly<string | null>(userId, () => null),
    title: mostly<string | null>('Hello', () => pick(null, '', ' ', of(1000), 'x'.repeat(1001))),
    body: mostly<string | null>(null, () => pick('', of(8000), 'x'.repeat(8001))),
    url: pick(
      null,
      '/',
      '//a',
      '/a//b',
      `/${of(20)}`,
      'https://a',
      'https:///a',
      'https://a..b',
      'https://a.b:99999/',
      'https://a.b?..',
      'https://%61.b',
      'javascript:1',
      '',
      `/${'x'.repeat(pick(100, 2000, 2047, 2048, 3300))}`,
      `/${'"'.repeat(pick(100, 2000))}`,
    ),
    params: mostly<unknown>({}, () =>
      pick<unknown>(1, [], 'x', { a: of(pick(100, 3000, 4000)) }, { a: 'x'.repeat(3200 + random(800)) }),
    ),
    category: mostly<string | null>(null, () =>
      pick(of(100), '"'.repeat(100), 'x'.repeat(101), '', ':', 'a::b', 'a:b'),
    ),
    // None and the empty one become normal before the check; no params become {}.
    urgency: mostly('normal', () => pick('high', 'urgent')),
    presentation: mostly<unknown>(null, () =>
      pick<unknown>({ silent: true }, { icon: '//a' }, { image: `/${of(4000)}` }),
    ),
    ttl: mostly<number | null>(null, () => pick(0, -1, 2_419_200, 2_419_201)),
    collapse_key: mostly<string | null>(null, () => pick('a', '', 'ä', 'x'.repeat(32), 'x'.repeat(33))),
    tag: mostly<string | null>(null, () => pick('', of(100), '\u0001'.repeat(100), 'x'.repeat(101))),
    idempotency_key: mostly<string | null>(null, () => pick('', 'x'.repeat(200), 'x'.repeat(201))),
    send_at: '2030-01-01T00:00:00Z',
    expires_at: mostly('2030-01-02T00:00:00Z', () => pick('2030-01-01T00:00:00Z', '2029-01-01T00:00:00Z')),
  };
}

test('what the quick look lets pass, the thorough one would not refuse', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const random = createRandom(7);
  const cases = Array.from({ length: CASES }, () => randomNotification(random, user.id));
  // A constraint that has to step in has another detail than the refusal, and so shows as a difference.
  await sql.unsafe(`
    create function public.refusal_of(p_row jsonb) returns table (quick text, thorough text) language plpgsql as $$
    begin
      begin
        -- Only what the case names: the other columns have their defaults.
        execute (
          select format('insert into public.push_notifications (%1$s) select %1$s
            from jsonb_populate_record(null::public.push_notifications, $1)',
            string_agg(quote_ident(k.name), ', '))
          from jsonb_object_keys(p_row) as k (name)
        ) using p_row;
        -- A later case may have its idempotency key.
        delete from public.push_notifications;
      exception when others then get stacked diagnostics quick = pg_exception_detail;
      end;
      begin
        perform push.refuse_notification(c) from jsonb_populate_record(null::public.push_notifications, p_row) as c;
      exception when others then get stacked diagnostics thorough = pg_exception_detail;
      end;
      return next;
    end $$`);
  const answers = await sql<{ place: string; quick: string | null; thorough: string | null }[]>`
    select c.place, r.quick, r.thorough
    from jsonb_array_elements(${sql.json(cases as postgres.JSONValue)}) with ordinality as c (row, place)
    cross join lateral public.refusal_of(c.row) as r`;
  const differing = answers.filter(({ quick, thorough }) => quick !== thorough);
  expect(differing.map(({ place }) => cases[Number(place) - 1])).toEqual([]);
  // Both kinds were seen, or the comparison would prove nothing.
  expect(answers.filter(({ quick }) => quick === null).length).toBeGreaterThan(CASES / 20);
  expect(new Set(answers.map(({ quick }) => quick)).size).toBeGreaterThan(10);
});
