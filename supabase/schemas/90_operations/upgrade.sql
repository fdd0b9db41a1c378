-- What the migration of a later release begins and ends with: "Releases" in docs/design/database.md.

create function push.begin_upgrade(p_from text, p_tables regclass[] default '{}'::regclass[], p_patience interval default '30 seconds')
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_until constant timestamptz := clock_timestamp() + p_patience;
  v_table regclass;
  v_users text;
begin
  if push.version() <> p_from then
    perform push.refuse(409, 'upgrade_out_of_order',
      format('This migration leads on from release %s, and the database is of %s.', p_from, push.version()),
      'Apply the migrations of Supapush in the order of their names, and each of them once.');
  end if;
  -- Until the end of the transaction. Shorter than deadlock_timeout: in a deadlock it is this one that ends, and not a write of the app.
  perform set_config('lock_timeout', '500ms', true);
  loop
    begin
      foreach v_table in array p_tables loop
        execute format('lock table %s in access exclusive mode', v_table);
      end loop;
      return;
    exception when lock_not_available then
      -- All locks are given back here, so that writes which queued behind this one go on: a transaction that stays open delays
      -- the upgrade, and never the app.
      if clock_timestamp() >= v_until then
        select string_agg(distinct format('pid %s, since %s', l.pid, coalesce(a.xact_start::text, 'unknown')), '; ') into v_users
        from pg_catalog.pg_locks as l
        left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
        where l.locktype = 'relation' and l.relation = any (p_tables::oid[]) and l.granted and l.pid <> pg_backend_pid()
          and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database());
        perform push.refuse(409, 'upgrade_waits',
          format('Transactions that stay open use the tables of Supapush, and nothing was changed: %s.', coalesce(v_users, 'none any more')),
          'Apply the migration again when they have ended, or end them: select pg_terminate_backend(<pid>)');
      end if;
      perform pg_sleep(0.2);
    end;
  end loop;
end;
$$;
comment on function push.begin_upgrade(text, regclass[], interval) is
  'Begins the migration of a later release: refuses to follow another release than p_from, locks the tables that change, and waits '
  'for none longer than half a second at a time, so that no write of the app queues behind it for longer. For the database owner.

p_from: The release that the migration leads on from.
p_tables: The tables of Supapush that it changes.
p_patience: How long it tries again while transactions that stay open use these tables.';

create function push.recompile(p_now timestamptz default clock_timestamp())
returns text[]
language plpgsql
set search_path = ''
as $$
begin
  perform push.check_rules(p_now, true);
  perform push.check_reminders(p_now);
  return array(
    select replace(a.code, '_broken', ' ') || a.subject from push.alarms as a
    where a.code in ('rule_broken', 'reminder_broken') and a.resolved_at is null
    order by a.code, a.subject
  );
end;
$$;
comment on function push.recompile(timestamptz) is
  'Makes the trigger functions of rules and reminders anew where a later release, which ends with this, has others; returns those that keep what they had, each with an '
  'alarm, because they no longer compile. What watches a table that is being changed follows within minutes. For the database owner.';
