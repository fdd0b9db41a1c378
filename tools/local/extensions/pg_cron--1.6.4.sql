-- A stand-in for pg_cron 1.6.4 in plain SQL: the same tables, functions, errors and, for `postgres`, the grants that
-- Supabase issues. The jobs are run by tools/local/workers/pg-cron-worker.ts.
--
-- Different from the real one: a range that runs backwards (`9-5`) is refused, which there passes and runs at other times
-- than it says; schedule_in_database is missing; and the C code's knowledge of who calls is replaced by an argument that
-- a caller with USAGE on `cron` could forge.

create schema cron;

create sequence cron.jobid_seq;
create sequence cron.runid_seq;

create table cron.job (
  jobid bigint primary key default nextval('cron.jobid_seq'),
  schedule text not null,
  command text not null,
  nodename text not null default 'localhost',
  nodeport integer not null default pg_catalog.current_setting('port')::integer,
  database text not null default pg_catalog.current_database(),
  username text not null default current_user,
  active boolean not null default true,
  jobname text,
  constraint jobname_username_uniq unique (jobname, username)
);

create table cron.job_run_details (
  jobid bigint,
  runid bigint primary key default nextval('cron.runid_seq'),
  job_pid integer,
  database text,
  username text,
  command text,
  status text,
  return_message text,
  start_time timestamptz,
  end_time timestamptz
);

alter table cron.job enable row level security;
create policy cron_job_policy on cron.job using (username = current_user);
alter table cron.job_run_details enable row level security;
create policy cron_job_run_details_policy on cron.job_run_details using (username = current_user);

select pg_catalog.pg_extension_config_dump('cron.job', '');
select pg_catalog.pg_extension_config_dump('cron.jobid_seq', '');
select pg_catalog.pg_extension_config_dump('cron.job_run_details', '');
select pg_catalog.pg_extension_config_dump('cron.runid_seq', '');

-- The worker reads the jobs anew whenever a change has been committed.
create function cron.job_cache_invalidate() returns trigger
language plpgsql
as $$
begin
  perform pg_catalog.pg_notify('pg_cron_jobs', '');
  return null;
end
$$;

create trigger cron_job_cache_invalidate
after insert or update or delete or truncate on cron.job
for each statement execute function cron.job_cache_invalidate();

-- One field: `*`, a number or name, a range, steps of `*` or of a range, and lists of these. As in the real one, what
-- stands behind a complete item, up to the next blank, is not looked at.
create function cron._field_is_valid(field text, low integer, high integer, names text[]) returns boolean
language plpgsql immutable
as $$
declare
  rest text := pg_catalog.lower(field);
  parts text[];
  bounds integer[];
begin
  loop
    -- The whole, `*`, from, to, step.
    parts := pg_catalog.regexp_match(rest, '^((?:(\*)|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9a-z]+))?)');
    if parts is null then
      return false;
    end if;
    rest := pg_catalog.substr(rest, pg_catalog.length(parts[1]) + 1);
    bounds := array(
      select case
        when word ~ '^\d{1,9}$' then word::integer else pg_catalog.array_position(names, word) + low - 1
      end
      from pg_catalog.unnest(parts[3:4]) with ordinality as bound (word, place)
      where word is not null
      order by place
    );
    if pg_catalog.array_position(bounds, null) is not null
      or not coalesce(bounds[1] between low and high, true)
      or not coalesce(bounds[2] between bounds[1] and high, true)
      or not coalesce(parts[5] ~ '^\d{1,9}$' and parts[5]::integer > 0, true)
      -- A step needs something to step through, and what was begun has to be complete.
      or (parts[3] is not null and parts[4] is null and (parts[5] is not null or rest like '-%'))
      or (parts[5] is null and rest like '/%')
    then
      return false;
    end if;
    exit when rest not like ',%';
    rest := pg_catalog.substr(rest, 2);
  end loop;
  return true;
end
$$;

-- Blanks, empty lines and comments may stand before a schedule, and anything behind it: there it was a crontab's line.
create function cron._schedule_is_valid(schedule text) returns boolean
language plpgsql immutable
as $$
declare
  line text := pg_catalog.regexp_replace(schedule, '^([ \t]*(#[^\n]*)?\n)*[ \t]*', '');
  fields text[] := pg_catalog.regexp_match(line, '^([^ \t\n]+)' || pg_catalog.repeat('[ \t]+([^ \t\n]+)', 4));
begin
  return schedule ~* '^\s*\+?0*([1-9]|[1-5][0-9])\s*second(s\s*)?$'
    or pg_catalog.octet_length(schedule) < 1000 and (
      line ~ '^@(reboot|restart|yearly|annually|monthly|weekly|daily|midnight|hourly)([ \t\n]|$)'
      or cron._field_is_valid(fields[1], 0, 59, null)
      and cron._field_is_valid(fields[2], 0, 23, null)
      and (fields[3] = '$' or cron._field_is_valid(fields[3], 1, 31, null))
      and cron._field_is_valid(
        fields[4], 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}'::text[]
      )
      and cron._field_is_valid(fields[5], 0, 7, '{sun,mon,tue,wed,thu,fri,sat}'::text[])
    );
end
$$;

create function cron._require_valid_schedule(schedule text) returns void
language plpgsql immutable
as $$
begin
  if cron._schedule_is_valid(schedule) is not true then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = pg_catalog.format('invalid schedule: %s', schedule),
      hint = 'Use cron format (e.g. 5 4 * * *), or interval format ''[1-59] seconds''';
  end if;
end
$$;

-- Definer: only the owner may write cron.job. The caller's name is a parameter because current_user is the owner in here.
create function cron._save_job(job_name text, schedule text, command text, caller name) returns bigint
language plpgsql security definer set search_path = ''
as $$
declare
  saved bigint;
begin
  if schedule is null then
    raise exception using errcode = 'XX000', message = 'schedule can not be NULL';
  end if;
  if command is null then
    raise exception using errcode = 'XX000', message = 'command can not be NULL';
  end if;
  perform cron._require_valid_schedule(schedule);
  insert into cron.job (jobname, schedule, command, username)
  values (job_name, _save_job.schedule, _save_job.command, caller)
  on conflict on constraint jobname_username_uniq do update
    set schedule = excluded.schedule, command = excluded.command, database = excluded.database
  returning jobid into saved;
  return saved;
end
$$;

create function cron.schedule(schedule text, command text) returns bigint
language sql strict
as $$ select cron._save_job(null, schedule, command, current_user) $$;

create function cron.schedule(job_name text, schedule text, command text) returns bigint
language plpgsql
as $$
begin
  if job_name is null then
    raise exception using errcode = 'XX000', message = 'job_name can not be NULL';
  end if;
  return cron._save_job(job_name, schedule, command, current_user);
end
$$;

-- Definer, for the same reason as _save_job.
create function cron._remove_job(id bigint, label text, caller name) returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  owner text := (select username from cron.job where jobid = id);
begin
  if owner is null then
    raise exception using errcode = 'XX000',
      message = pg_catalog.format('could not find valid entry for job %s', label);
  end if;
  if owner <> caller and not pg_catalog.has_table_privilege(caller, 'cron.job', 'delete') then
    raise exception using errcode = 'insufficient_privilege', message = 'permission denied for table job';
  end if;
  delete from cron.job where jobid = id;
  return true;
end
$$;

-- Definer, for the same reason as _save_job.
create function cron._job_id(job_name text, caller name) returns bigint
language sql stable security definer set search_path = ''
as $$ select jobid from cron.job where jobname = job_name and username = caller $$;

create function cron.unschedule(job_id bigint) returns boolean
language sql strict
as $$ select cron._remove_job(job_id, job_id::text, current_user) $$;

create function cron.unschedule(job_name text) returns boolean
language sql strict
as $$
  select cron._remove_job(
    cron._job_id(job_name, current_user), pg_catalog.quote_literal(job_name), current_user
  )
$$;

-- Definer, for the same reason as _save_job.
create function cron._change_job(
  id bigint, new_schedule text, new_command text, new_database text, new_username text, new_active boolean, caller name
) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  is_superuser boolean := (select rolsuper from pg_catalog.pg_roles where rolname = caller);
begin
  if id is null then
    raise exception using errcode = 'XX000', message = 'job_id can not be NULL';
  end if;
  if new_username is not null and not is_superuser then
    raise exception using errcode = 'XX000', message = 'must be superuser to alter username';
  end if;
  if new_schedule is not null then
    perform cron._require_valid_schedule(new_schedule);
  end if;
  if pg_catalog.num_nonnulls(new_schedule, new_command, new_database, new_username, new_active) = 0 then
    raise exception using
      errcode = 'XX000',
      message = 'no updates specified',
      hint = 'You must specify at least one job attribute to change when calling alter_job';
  end if;
  update cron.job
  set schedule = coalesce(new_schedule, schedule),
    command = coalesce(new_command, command),
    database = coalesce(new_database, database),
    username = coalesce(new_username, username),
    active = coalesce(new_active, active)
  where jobid = id and (username = caller or is_superuser);
  if not found then
    raise exception using errcode = 'XX000',
      message = pg_catalog.format('Job %s does not exist or you don''t own it', id);
  end if;
end
$$;

create function cron.alter_job(
  job_id bigint,
  schedule text default null,
  command text default null,
  database text default null,
  username text default null,
  active boolean default null
) returns void
language sql
as $$ select cron._change_job(job_id, schedule, command, database, username, active, current_user) $$;

revoke all on function cron.alter_job(bigint, text, text, text, text, boolean) from public;
revoke all on function cron._change_job(bigint, text, text, text, text, boolean, name) from public;

-- What pg_cron grants to all roles; without USAGE on the schema, which only `postgres` has, it is worth nothing.
grant select on cron.job to public;
grant select, delete on cron.job_run_details to public;
grant select on sequence cron.jobid_seq, cron.runid_seq to public;

grant usage on schema cron to postgres with grant option;
grant all on all functions in schema cron to postgres with grant option;
grant select on cron.job to postgres with grant option;
grant all on cron.job_run_details to postgres with grant option;
-- Kept back by Supabase's images since August 2026 (supabase/postgres#2334).
revoke trigger on cron.job_run_details from postgres cascade;
