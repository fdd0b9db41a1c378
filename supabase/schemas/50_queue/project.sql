-- A copy is not its original. A restored backup or a staging copy holds the devices of real people.
--
-- push.connect() notes which project this is, in a row that a copy takes along. What differs between the two:
--   · what push-dispatch calls its project. The platform says it (SUPABASE_URL), and only a copy's own function works a
--     copy: a bell that still rings the original wakes that one, which works the original's queue. It comes with each claim.
--   · the project that connect is given.
--   · server and database, for all but physical copies. Also different after an upgrade of the same project, so it counts only
--     where the function cannot tell: it is an older one, or its URL is no name in the world (http://kong:8000).
-- The Vault is no sign: a restore may take its entries along, lose them, or leave them unreadable.

create function push.is_local_url(p_url text)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return p_url ~ ('^https?://(localhost|127\.[0-9.]+|10\.[0-9.]+|192\.168\.[0-9.]+|172\.(1[6-9]|2[0-9]|3[01])\.[0-9.]+'
    || '|\[[^\]]*\]|[^.:/]+|[^:/]+\.(localhost|local|internal))(:[0-9]+)?$');
end;
$$;
comment on function push.is_local_url(text) is
  'Whether a URL means something on its own machine or network alone, so that two projects may well have the same.';

create function push.is_same_project(p_url text, p_other text)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- A local stack may be at another port each morning.
  return p_url = p_other or (push.is_local_url(p_url) and push.is_local_url(p_other));
end;
$$;
comment on function push.is_same_project(text, text) is 'Whether two URLs may be those of one project: they are equal, or both local.';

create function push.database_identity()
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  -- All roles may call it, unless a platform has revoked that.
  return case when has_function_privilege('pg_catalog.pg_control_system()', 'execute') then (
    select c.system_identifier || '/' || d.oid
    from pg_catalog.pg_control_system() as c
    cross join pg_catalog.pg_database as d
    where d.datname = current_database()
  ) end;
end;
$$;
comment on function push.database_identity() is
  'Server and database by their numbers. A dump and a copy on the same server get others; a physical copy keeps them.';

create function push.raise_copied(p_project push.project, p_found text, p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  select push.raise_alarm('copied_project', '', format(
    'Nothing is sent: this database belongs to project %s, but it is now %s. If it is a copy, leave it as it is, or delete '
      || 'push_subscriptions first, because its devices belong to real people. If it is the project now, run: '
      || 'npx supapush connect --project-url <its URL> --adopt', (p_project).url, p_found), p_now);
$$;
comment on function push.raise_copied(push.project, text, timestamptz) is 'Raises the alarm of a copy; names both projects and the cure.';

create function push.note_project(p_url text, p_now timestamptz default clock_timestamp())
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_project push.project;
begin
  insert into push.project as j (url, connected_url, database, noted_at)
  values (p_url, p_url, push.database_identity(), p_now)
  on conflict (id) do update
  set connected_url = excluded.connected_url,
      url = case when push.is_same_project(j.url, excluded.url) then excluded.url else j.url end
  returning j.* into v_project;
  if v_project.connected_url <> v_project.url then
    perform push.raise_copied(v_project, v_project.connected_url, p_now);
  elsif v_project.found is null then
    perform push.resolve_alarm('copied_project', '', p_now);
  end if;
end;
$$;
comment on function push.note_project(text, timestamptz) is
  'Notes for which project the database was connected, the first time; later, whether that is still the same one.';

create function push.recognise_project(p_project text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  -- It stands in an alarm, and comes from outside.
  v_name constant text := left(p_project, 200);
  v_project push.project;
  v_database text;
  v_found text;
begin
  select j.* into v_project from push.project as j;
  if not found then
    return;
  end if;
  if v_name is not null and (case
    when v_project.function_url is not null then not push.is_same_project(v_name, v_project.function_url)
    -- Not learnt yet. An address of the platform names the project itself; a domain of its own says nothing about it.
    else v_project.url ~ '^https://[a-z]{20}\.supabase\.co$' and v_name <> v_project.url
      and (v_name ~ '^https://[a-z]{20}\.supabase\.co$' or push.is_local_url(v_name))
  end) then
    v_found := v_name;
  elsif v_name is null or push.is_local_url(v_name) then
    v_database := push.database_identity();
    if v_database <> v_project.database then
      v_found := 'another database, ' || v_database;
    end if;
  end if;

  if v_found is not null then
    update push.project as j set found = v_found, found_at = p_now where j.id;
    perform push.raise_copied(v_project, v_found, p_now);
  elsif v_project.found is not null or v_project.function_url is distinct from coalesce(v_name, v_project.function_url) then
    update push.project as j
    set function_url = coalesce(v_name, j.function_url), found = null, found_at = null
    where j.id;
    if v_project.connected_url = v_project.url then
      perform push.resolve_alarm('copied_project', '', p_now);
    end if;
  end if;
end;
$$;
comment on function push.recognise_project(text, timestamptz) is
  'Looks, at each claim, whether this is the project that was noted. Another project is held for a minute; then it is asked again.';

create function push.adopt(p_discard_older_than interval default null, p_now timestamptz default clock_timestamp())
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_project push.project;
begin
  if p_discard_older_than < interval '0' then
    perform push.refuse(400, 'interval_negative', 'The interval must not be negative.',
      'Use an interval such as 10 minutes to discard what became due before that, or none to send everything.');
  end if;
  select j.* into v_project from push.project as j for update;
  if not found then
    perform push.refuse(409, 'not_connected', 'This database was never connected to a project.', 'Run: npx supapush connect');
  end if;
  -- Otherwise the next claim would find the same again.
  if v_project.found ~ '^https?://' and v_project.connected_url = v_project.url
    and v_project.url ~ '^https://[a-z]{20}\.supabase\.co$' then
    perform push.refuse(409, 'bell_rings_original',
      format('This project is %s, but it still calls %s.', v_project.found, v_project.connected_url),
      format('Run: npx supapush connect --project-url %s --adopt', v_project.found));
  end if;
  update push.project as j
  set url = v_project.connected_url, function_url = null, database = push.database_identity(), noted_at = p_now,
      found = null, found_at = null
  where j.id;
  perform push.resolve_alarm('copied_project', '', p_now);
  if p_discard_older_than is not null then
    insert into push.pauses (reason, paused_at, resumed_at, discard_before)
    values ('adopted as ' || v_project.connected_url, p_now, p_now, p_now - p_discard_older_than);
    perform push.end_fan_outs(null, p_now - p_discard_older_than, p_now);
    perform push.advance_pauses(p_now => p_now);
  end if;
  if push.has_work(p_now) then
    perform push.wake(p_now);
  end if;
  return v_project.connected_url;
end;
$$;
comment on function push.adopt(interval, timestamptz) is
  'Says that the project which push.connect() was given last is this database''s from now on; returns its URL. What became due longer ago than '
  'p_discard_older_than is cancelled, as push.resume() does it; null sends everything that has not expired. For the database owner.

p_discard_older_than: What became due longer ago is cancelled; null: nothing is.';
