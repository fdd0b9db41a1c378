import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { useDatabase } from '../../support/use-database.ts';

// What the Edge Functions of 0.1.0, and the trigger functions that it generated, call the schema with. Both live on for a while in a
// database of a later release: a function that is listed here may get parameters with defaults, and lose none. What a later release
// calls besides is added below when it is released; what is no longer called may go one release later.

const CALLS: Record<string, string[]> = {
  push_claim: [
    'p_dispatcher',
    'p_limit',
    'p_busy_hosts',
    'p_busy_users',
    'p_protocol',
    'p_project',
    'p_rooms',
    'p_paces',
  ],
  push_complete: ['p_outcomes'],
  push_fan_out: [],
  push_health: [],
  push_heartbeat: ['p_dispatcher', 'p_deliveries'],
  push_leave: ['p_dispatcher', 'p_final'],
  push_proven_devices: ['p_devices'],
  push_quote_plan: [],
  push_quote_report: ['p_report'],
  push_record_receipts: ['p_receipts'],
  push_release: ['p_endpoint', 'p_p256dh', 'p_auth'],
  push_resubscribe: [
    'p_old_endpoint',
    'p_old_p256dh',
    'p_old_auth',
    'p_endpoint',
    'p_p256dh',
    'p_auth',
    'p_vapid_key',
  ],
};

const GENERATED = [
  'push.encode_spaces(text)',
  'push.insert_moments_by_halves(push.reminders, anyarray, integer, timestamp with time zone)',
  'push.note_reminder_error(text, jsonb, text, text, text)',
  'push.note_rule_error(text, text, jsonb, bigint, text, text, text)',
  'push.reminder_insert(push.reminders, text, text)',
  'push.reminder_parts(push.reminders, text)',
  'push.reminder_rows(push.reminders, text)',
  'push.retry_rule(push.rules, text, text, anyarray, anyarray, integer, bigint)',
  'push.rule_insert(push.rules, text, text, text)',
  'push.rule_parts(push.rules, text)',
  'push.try_rule(push.rules, text)',
  'push.user_ids(uuid[])',
];

const db = useDatabase();

test.each(Object.entries(CALLS))('%s takes %j from the service role', async (name, given) => {
  const found = await db().sql`
    select p.oid::regprocedure::text from pg_proc as p
    where p.pronamespace = 'public'::regnamespace and p.proname = ${name}
      and coalesce(p.proargnames, '{}') @> ${given}::text[]
      -- The last ones have defaults: what is not given is among those.
      and not exists (
        select from unnest(p.proargnames) with ordinality as a (name, place)
        where a.name <> all (${given}::text[]) and a.place <= p.pronargs - p.pronargdefaults
      )
      and has_function_privilege('service_role', p.oid, 'execute')`;
  expect(found).toHaveLength(1);
});

test('the functions call nothing else', async () => {
  const project = fileURLToPath(new URL('../../../', import.meta.url));
  const called = new Set<string>();
  for await (const file of glob('src/server/**/*.ts', { cwd: project })) {
    const text = await readFile(join(project, file), 'utf8');
    for (const [, name = ''] of text.matchAll(/\.rpc\('(\w+)'/g)) called.add(name);
  }
  expect([...called].sort()).toEqual(Object.keys(CALLS));
});

test('trigger functions that were generated call what is there, and nothing else', async () => {
  const { sql } = db();
  await sql`create table public.deals (id integer primary key, owner uuid, team uuid[], at timestamptz, note text)`;
  for (const recipients of ['new.owner', 'new.team', 'select new.owner']) {
    await sql`
      select push.watch('r' || ${recipients.length}, 'public.deals', ${recipients}, 'new.note', p_url => '''/x''', p_digest_key => 'new.note',
        p_events => '{insert,update,delete}', p_columns => '{note}', p_send_at => 'new.at')`;
  }
  await sql`select push.remind('soon', 'public.deals', 'new.at', '{1 hour}', 'new.owner', 'new.note', p_timezone => '''UTC''')`;
  const [row] = await sql<{ called: string[] }[]>`
    select array_agg(distinct m.name[1] order by m.name[1]) as called
    from pg_proc as p cross join lateral regexp_matches(p.prosrc, '\\mpush\\.(\\w+)\\(', 'g') as m (name)
    where p.pronamespace = 'push'::regnamespace and p.proname ~ '^(rule|reminder)_' and p.prorettype = 'trigger'::regtype
      and m.name[1] not in ('watch', 'remind')`;
  expect(row?.called).toEqual(GENERATED.map((one) => /^push\.(\w+)/.exec(one)?.[1]));
  for (const signature of GENERATED) {
    const [name = '', types = ''] = signature.slice('push.'.length, -1).split('(');
    const found = await sql`
      select from pg_proc as p
      cross join lateral (
        select string_agg(format_type(t.type, null), ', ' order by t.place) as types
        from unnest(p.proargtypes::oid[]) with ordinality as t (type, place)
        where t.place <= ${types.split(', ').length}
      ) as given
      where p.pronamespace = 'push'::regnamespace and p.proname = ${name} and given.types = ${types}
        and p.pronargs - p.pronargdefaults <= ${types.split(', ').length}`;
    expect([signature, found.length]).toEqual([signature, 1]);
  }
});
