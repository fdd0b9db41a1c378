import postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { findTakeOver, takeOverNotes, withTakeOver } from '../../../src/cli/init/take-over.ts';
import { createUser } from '../../support/postgres.ts';
import { createSubscription, type SubscriptionInput } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => db().sql`delete from public.push_subscriptions`);

/** Standard base64, with padding. */
const padded = (text: string) => Buffer.from(text, 'base64url').toString('base64');
const hex = (text: string) => `\\x${Buffer.from(text, 'base64url').toString('hex')}`;
/** What `JSON.stringify(subscription)` gives in a browser. */
const asJson = ({ endpoint, p256dh, auth }: SubscriptionInput) => ({
  endpoint,
  expirationTime: null,
  keys: { p256dh, auth },
});

/** How tutorials and apps store a subscription: the table, and a row of it as JSON. */
const SHAPES: [shape: string, columns: string, row: (user: string, one: SubscriptionInput) => object][] = [
  [
    'columns',
    'id bigserial, user_id uuid, endpoint text, p256dh text, auth text, user_agent text',
    (user_id, one) => ({ user_id, ...one, user_agent: 'Mozilla/5.0' }),
  ],
  [
    'columns, in base64 with padding',
    'user_id uuid, endpoint text, p256dh text, auth text',
    (user_id, one) => ({ user_id, ...one, p256dh: padded(one.p256dh), auth: padded(one.auth) }),
  ],
  [
    'columns, as bytes',
    'user_id uuid, endpoint text, p256dh bytea, auth bytea',
    (user_id, one) => ({ user_id, ...one, p256dh: hex(one.p256dh), auth: hex(one.auth) }),
  ],
  [
    'columns of other names, and a user as text',
    '"userId" text, subscription_endpoint text, p256dh_key text, auth_key text',
    (userId, one) => ({
      userId,
      subscription_endpoint: one.endpoint,
      p256dh_key: one.p256dh,
      auth_key: one.auth,
    }),
  ],
  [
    'keys as JSON',
    'user_id uuid, endpoint text, keys jsonb',
    (user_id, one) => ({ user_id, endpoint: one.endpoint, keys: asJson(one).keys }),
  ],
  [
    'keys as text of JSON',
    'user_id uuid, endpoint text, keys text',
    (user_id, one) => ({ user_id, endpoint: one.endpoint, keys: JSON.stringify(asJson(one).keys) }),
  ],
  [
    'the subscription as JSON',
    'user_id uuid, subscription jsonb',
    (user_id, one) => ({ user_id, subscription: asJson(one) }),
  ],
  [
    'the subscription as text of JSON, beside its endpoint',
    'user_id uuid, push_subscription text, endpoint text',
    (user_id, one) => ({ user_id, push_subscription: JSON.stringify(asJson(one)), endpoint: one.endpoint }),
  ],
  [
    'a string of JSON within JSON',
    'user_id uuid, subscription jsonb',
    (user_id, one) => ({ user_id, subscription: JSON.stringify(asJson(one)) }),
  ],
];

/** Runs what init writes behind the schema; what Postgres says meanwhile. */
async function takeOver(columns: string): Promise<string[]> {
  const said: string[] = [];
  const sql = postgres(db().url, { max: 1, onnotice: ({ message }) => said.push(message ?? '') });
  const made = { file: '1.sql', sql: `create table public.user_push_subscriptions (${columns});` };
  try {
    await sql.unsafe(withTakeOver('', findTakeOver([made], 'user_push_subscriptions'))).simple();
    return said;
  } finally {
    await sql.end();
  }
}

test.each(SHAPES)(
  '%s: valid rows become devices, the others stay where they are, with a count',
  async (_, columns, row) => {
    const { sql } = db();
    const { id } = await createUser(sql);
    const [one, two] = [createSubscription(), createSubscription()];
    const stranger = '00000000-0000-4000-8000-000000000000';
    const rows = [
      row(id, one),
      row(id, two),
      row(id, { ...createSubscription(), auth: Buffer.from('short').toString('base64url') }),
      row(id, createSubscription({ endpoint: 'https://push.unknown.example.com/1' })),
      row(stranger, createSubscription()),
    ];
    await sql.unsafe(`create table public.user_push_subscriptions (${columns})`);
    for (const each of rows) {
      const names = Object.keys(each)
        .map((name) => `"${name}"`)
        .join(', ');
      await sql.unsafe(
        `insert into public.user_push_subscriptions (${names})
      select ${names} from jsonb_populate_record(null::public.user_push_subscriptions, $1::text::jsonb)`,
        [JSON.stringify(each)],
      );
    }
    const said = await takeOver(columns);
    const devices =
      await sql`select user_id, endpoint, p256dh, auth from public.push_subscriptions order by endpoint`;
    const [kept] = await sql<
      { rows: number }[]
    >`select count(*)::int as rows from public.user_push_subscriptions`;
    const [note = ''] = takeOverNotes({ table: 'public.user_push_subscriptions' }, []);
    const left = await sql.unsafe(/select \* from .* > 0\)/.exec(note)?.[0] ?? '');
    await sql`drop table public.user_push_subscriptions`;
    expect([...devices]).toEqual(
      [one, two]
        .map((device) => ({ user_id: id, ...device }))
        .sort((a, b) => (a.endpoint < b.endpoint ? -1 : 1)),
    );
    expect(kept?.rows).toBe(5);
    expect(left).toHaveLength(3);
    expect(said).toContainEqual(
      'Supapush took over 2 of 5 rows of "public"."user_push_subscriptions", which are 2 devices.',
    );
    expect(said).toContainEqual(
      expect.stringMatching(
        /^3 rows were not taken over, .*auth must be 16 bytes.*\(1\).*known push service\. \(1\)/s,
      ),
    );
  },
);
