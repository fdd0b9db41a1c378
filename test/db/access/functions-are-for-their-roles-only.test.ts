import { beforeAll, describe, expect, test } from 'vitest';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

/** Every function of ours, with the API roles that may execute it. */
const FUNCTIONS: Record<string, string[]> = {
  'public.push_cancel': ['service_role'],
  'public.push_claim': ['service_role'],
  'public.push_complete': ['service_role'],
  'public.push_expand': ['service_role'],
  'public.push_health': ['service_role'],
  'public.push_heartbeat': ['service_role'],
  'public.push_inbox': ['authenticated'],
  'public.push_leave': ['service_role'],
  'public.push_mark_all_read': ['authenticated'],
  'public.push_mark_read': ['authenticated'],
  'public.push_mark_unread': ['authenticated'],
  'public.push_notify': ['service_role'],
  'public.push_notify_topic': ['service_role'],
  'public.push_preview_template': ['service_role'],
  'public.push_progress': ['service_role'],
  'public.push_quote_plan': ['service_role'],
  'public.push_quote_report': ['service_role'],
  'public.push_record_quotes': ['service_role'],
  'public.push_record_receipts': ['service_role'],
  'public.push_release': ['service_role'],
  'public.push_resubscribe': ['service_role'],
  'public.push_send_test': ['authenticated'],
  'public.push_unread_count': ['authenticated'],
  'public.push_vapid_key': ['anon', 'authenticated'],
  'public.push_watched_symbols': ['service_role'],
  'push.accepts_our_key': [],
  'push.admit': [],
  'push.backoff': [],
  'push.begin_expansion': [],
  'push.begin_withdrawal': [],
  'push.cancel': [],
  'push.cancel_deliveries_of_cancelled': [],
  'push.cancel_deliveries_of_deleted': [],
  'push.category_of': [],
  'push.check_address': [],
  'push.check_category': [],
  'push.check_device_preferences': [],
  'push.check_digest_key': [],
  'push.check_notification': [],
  'push.check_muted_categories': [],
  'push.check_preferences': [],
  'push.check_quiet_hours': [],
  'push.check_timezone': [],
  'push.check_left_templates': [],
  'push.check_saved_templates': [],
  'push.check_template': [],
  'push.compile_link': [],
  'push.compile_mustache': [],
  'push.compile_presentation': [],
  'push.compile_template': [],
  'push.example_of': [],
  'push.fill_from_template': [],
  'push.find_template': [],
  'push.in_words_of': [],
  'push.is_link': [],
  'push.locale_chain': [],
  'push.mustache_faults': [],
  'push.mustache_value': [],
  'push.normal_locale': [],
  'push.percent_encode': [],
  'push.presentation_fault': [],
  'push.preview_template': [],
  'push.refuse_rendered': [],
  'push.render_link': [],
  'push.render_mustache': [],
  'push.render_section': [],
  'push.render_template': [],
  'push.says_the_same': [],
  'push.template_faults': [],
  'push.text_for': [],
  'push.translated': [],
  'push.check_subscription': [],
  'push.check_topic_member': [],
  'push.clean': [],
  'push.check_reminder_expressions': [],
  'push.check_reminders': [],
  'push.clean_cron_runs': [],
  'push.clean_limits': [],
  'push.clean_receipts': [],
  'push.clean_reminders': [],
  'push.clean_subscriptions': [],
  'push.close_digests': [],
  'push.connect': [],
  'push.count_finished_deliveries': [],
  'push.create_reminder_triggers': [],
  'push.check_quote_source': [],
  'push.define_quote_source': [],
  'push.drop_quote_source': [],
  'push.fail_quote_source': [],
  'push.quote_source_health': [],
  'push.ring_for_quotes': [],
  'push.schedule_quotes': [],
  'push.serves': [],
  'push.judge_quotes': [],
  'push.lease_quote_sources': [],
  'push.note_watched_symbols': [],
  'push.wanted_quotes': [],
  'push.decode_base64url': [],
  'push.define_digest': [],
  'push.delete_deliveries': [],
  'push.drop_digest': [],
  'push.drop_reminder_triggers': [],
  'push.refuse_notification': [],
  'push.let_digests_sleep': [],
  'push.was_dropped': [],
  'push.expand': [],
  'push.expand_chunk': [],
  'push.expire_deliveries': [],
  'push.fold_or_suppress': [],
  'push.has_due': [],
  'push.has_work': [],
  'push.hold_back': [],
  'push.host_misconfigured': [],
  'push.host_of': [],
  'push.host_succeeded': [],
  'push.host_throttled': [],
  'push.host_unreachable': [],
  'push.is_limited': [],
  'push.day_of': [],
  'push.is_wanted': [],
  'push.join_digests': [],
  'push.pause_host': [],
  'push.call_for_backlog': [],
  'push.insert_moments_by_halves': [],
  'push.is_p256_point': [],
  'push.judge': [],
  'push.judge_again': [],
  'push.locale_of': [],
  'push.follow_host': [],
  'push.follow_preferences': [],
  'push.follow_subscription': [],
  'push.note_reminder_error': [],
  'push.forget_device_preferences': [],
  'push.notify': [],
  'push.notify_many': [],
  'push.notify_topic': [],
  'push.payload_bytes': [],
  'push.pick_due_moments': [],
  'push.progress': [],
  'push.proven_device': [],
  'push.queue_due_notifications': [],
  'push.queue_new_notifications': [],
  'push.quiet_until': [],
  'push.raise_alarm': [],
  'push.read_clicked': [],
  'push.receipt_health': [],
  'push.recover_leases': [],
  'push.refuse': [],
  'push.remind': [],
  'push.reminder_delete': [],
  'push.reminder_health': [],
  'push.reminder_insert': [],
  'push.reminder_key': [],
  'push.reminder_query': [],
  'push.reminder_rows': [],
  'push.resolve_alarm': [],
  'push.ring': [],
  'push.rule_query': [],
  'push.send_moments': [],
  'push.send_reminders': [],
  'push.send_test': [],
  'push.settle_lapsed_moments': [],
  'push.check_rules': [],
  'push.compile_rule': [],
  'push.explain_rule': [],
  'push.key_columns': [],
  'push.note_rule_error': [],
  'push.recipients_kind': [],
  'push.recipients_query': [],
  'push.retry_rule': [],
  'push.rule_body': [],
  'push.rule_changes': [],
  'push.rule_comparisons': [],
  'push.rule_error_counts': [],
  'push.rule_insert': [],
  'push.rule_misfit': [],
  'push.rule_parts': [],
  'push.rule_source': [],
  'push.summarise': [],
  'push.summarise_digests': [],
  'push.tick': [],
  'push.timezone_named': [],
  'push.topic_of_tag': [],
  'push.unremind': [],
  'push.unsigned': [],
  'push.unwatch': [],
  'push.user_ids': [],
  'push.vapid_key_usage': [],
  'push.wake': [],
  'push.wake_for_deliveries': [],
  'push.watch': [],
  'push.withdraw_chunk': [],
};

interface Found {
  name: string;
  signature: string;
  call: string;
  config: string[] | null;
  comment: string | null;
  grantees: string[];
}

async function findFunctions(): Promise<Found[]> {
  return await db().sql<Found[]>`
    select n.nspname || '.' || p.proname as name,
      p.oid::regprocedure::text as signature,
      'select ' || n.nspname || '.' || p.proname || '('
        || (select coalesce(string_agg('null::' || format_type(t.type, null), ', ' order by t.position), '')
            from unnest(p.proargtypes) with ordinality as t (type, position)) || ')' as call,
      p.proconfig as config,
      obj_description(p.oid, 'pg_proc') as comment,
      array(
        select r.role from unnest('{public,anon,authenticated,service_role}'::text[]) as r (role)
        where has_function_privilege(r.role, p.oid, 'execute')
      ) as grantees
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'push')
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    order by p.oid::regprocedure::text`;
}

let user: string;
beforeAll(async () => {
  user = (await createUser(db().sql)).id;
});

test('no function exists beside those listed here', async () => {
  const names = (await findFunctions()).map(({ name }) => name);
  expect([...new Set(names)].sort()).toEqual(Object.keys(FUNCTIONS).sort());
});

test('each may be executed by the roles listed here alone', async () => {
  for (const { name, signature, grantees } of await findFunctions()) {
    expect({ signature, grantees }).toEqual({ signature, grantees: FUNCTIONS[name] });
  }
});

test('no API role may use schema push', async () => {
  const rows = await db().sql`
    select r.role from unnest('{public,anon,authenticated,service_role}'::text[]) as r (role)
    where has_schema_privilege(r.role, 'push', 'usage') or has_schema_privilege(r.role, 'push', 'create')`;
  expect([...rows]).toEqual([]);
});

describe.each(Object.entries(FUNCTIONS))('%s', (name, roles) => {
  test('refuses everybody else when called', async () => {
    const { sql } = db();
    const calls = (await findFunctions()).filter((found) => found.name === name).map(({ call }) => call);
    expect(calls).not.toEqual([]);
    for (const call of calls) {
      if (!roles.includes('anon')) {
        expect((await refusalOf(asAnon(sql, (t) => t.unsafe(call)))).sqlstate).toBe('42501');
      }
      if (!roles.includes('authenticated')) {
        expect((await refusalOf(asUser(sql, user, (t) => t.unsafe(call)))).sqlstate).toBe('42501');
      }
      if (!roles.includes('service_role')) {
        expect((await refusalOf(asService(sql, (t) => t.unsafe(call)))).sqlstate).toBe('42501');
      }
    }
  });
});

test('each has an empty search_path, so that no caller decides which objects it means', async () => {
  const open = (await findFunctions()).filter(({ config }) => !config?.includes('search_path=""'));
  expect(open.map(({ signature }) => signature)).toEqual([]);
});

test('each says what it is for', async () => {
  const silent = (await findFunctions()).filter(({ comment }) => !comment);
  expect(silent.map(({ signature }) => signature)).toEqual([]);
});
