-- A dump of the data alone is restored onto migrations that were pushed. Those have written rows already, ours (settings,
-- push services) as the project's own (rules, categories, templates), and the dump brings the same ones along.

create function push.prepare_restore()
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_tables text[];
  v_table text;
begin
  if exists (select from push.project) or exists (select from public.push_subscriptions)
    or exists (select from public.push_notifications) or exists (select from public.push_preferences)
    or exists (select from public.push_topic_members) or exists (select from public.push_alerts) then
    perform push.refuse(409, 'database_in_use', 'This database is in use: it has devices, messages or users'' settings, or is connected to a project.',
      'Restore into a new database: supabase db push, then this, then the data, then npx supapush connect.');
  end if;
  select array_agg(c.oid::regclass::text) into v_tables
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind = 'r' and (n.nspname = 'push' or n.nspname = 'public' and c.relname in (
    'push_alerts', 'push_categories', 'push_device_preferences', 'push_levels', 'push_preferences', 'push_quotes', 'push_reads',
    'push_templates', 'push_topic_members', 'push_topics'
  ));
  -- Some keep their rows, others follow what is deleted.
  foreach v_table in array v_tables loop
    execute format('alter table %s disable trigger user', v_table);
  end loop;
  -- One statement, at the end of which foreign keys are looked at.
  execute (
    select 'with ' || string_agg(format('t%s as (delete from %s where true)', t.place, t.name), ', ') || ' select'
    from unnest(v_tables) with ordinality as t (name, place)
  );
  foreach v_table in array v_tables loop
    execute format('alter table %s enable trigger user', v_table);
  end loop;
end;
$$;
comment on function push.prepare_restore() is
  'Empties every table of ours in a database that was migrated and never used, so that a dump of another one''s data goes in whole. Refused where there are devices, messages, settings of users, or a project. For the database owner.';
