-- The jobs of pg_cron. They are named in one place, made by migrations, and made again by push.connect(): a restore
-- brings the schemas back, and migrations stand as applied, but cron.job may have stayed behind.

alter table push.settings add column quotes_schedule text not null default '* * * * *';
comment on column push.settings.quotes_schedule is
  'How often push-quotes is rung while there are sources of quotes; set by push.schedule_quotes(), which asks pg_cron whether it is a schedule.';

create function push.jobs()
returns table (name text, schedule text, command text, wanted boolean, purpose text)
language sql
stable
set search_path = ''
as $$
  select j.name, j.schedule, j.command, j.wanted, j.purpose
  from push.settings as s
  cross join lateral (values
    -- A bell that was lost is rung again by the first tick after push.settings.call_lease. Seconds need pg_cron 1.5 or newer.
    ('supapush-tick', '10 seconds', 'select push.tick()', true,
      'what the bell loses is not found again, and nothing that is scheduled is sent'),
    -- Ten thousand rows of a kind at a time, and a run that finds nothing takes a few milliseconds.
    ('supapush-clean', '* * * * *', 'select push.clean(p_for => interval ''2 seconds'')', true, 'old rows are not deleted'),
    ('supapush-alerts', '* * * * *', 'select push.tick_alerts()', true,
      'alerts do not expire, and what was held back is not told'),
    ('supapush-statistics', '* * * * *', 'select push.roll_up()', true,
      'statistics stay as they are, and the log is kept a week longer'),
    ('supapush-quotes', s.quotes_schedule, 'select push.ring_for_quotes()', exists (select from push.quote_sources),
      'no quotes are fetched')
  ) as j (name, schedule, command, wanted, purpose);
$$;
comment on function push.jobs() is
  'Every job: its schedule and command, whether this project wants it (without sources of quotes none is needed for them), and what its absence means.';

create function push.schedule_jobs()
returns text[]
language plpgsql
set search_path = ''
as $$
declare
  v_job record;
  v_made text[] := array[]::text[];
begin
  for v_job in
    select w.name, w.schedule, w.command, w.wanted, c.jobid, c.schedule as kept_schedule, c.command as found_command
    from push.jobs() as w
    left join cron.job as c on c.jobname = w.name
  loop
    if v_job.wanted and v_job.command is distinct from v_job.found_command then
      -- What an operator has set with cron.alter_job() stays.
      perform cron.schedule(v_job.name, coalesce(v_job.kept_schedule, v_job.schedule), v_job.command);
      v_made := v_made || v_job.name;
    elsif not v_job.wanted and v_job.jobid is not null then
      perform cron.unschedule(v_job.jobid);
    end if;
  end loop;
  return v_made;
end;
$$;
comment on function push.schedule_jobs() is
  'Schedules the jobs that are missing or run another command, and ends those that are not wanted; returns which were made. May be repeated.';

create function push.job_health(p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_last_tick timestamptz;
  v_reasons jsonb;
begin
  select coalesce(jsonb_agg(jsonb_build_object('code', 'job_missing', 'message', case
    when c.jobid is null then format('The pg_cron job %s is missing: %s. Run: npx supapush connect', w.name, w.purpose)
    else format('The pg_cron job %s is switched off: %s. Run: select cron.alter_job(%s, active => true)', w.name, w.purpose, c.jobid)
  end) order by w.name), '[]')
  into v_reasons
  from push.jobs() as w
  left join cron.job as c on c.jobname = w.name
  where w.wanted and c.active is not true;

  -- Among the newest runs of all jobs, which an index finds; a tick every 10 seconds is among them if it runs at all.
  -- One that is to come ran before the clock was set back.
  select max(r.start_time) filter (where r.start_time <= p_now + interval '1 minute') into v_last_tick
  from (
    select d.jobid, d.start_time from cron.job_run_details as d order by d.runid desc limit 500
  ) as r
  join cron.job as j on j.jobid = r.jobid and j.jobname = 'supapush-tick';
  if (v_last_tick is null or v_last_tick < p_now - interval '2 minutes')
    and exists (select from cron.job as j where j.jobname = 'supapush-tick' and j.active) then
    v_reasons := v_reasons || jsonb_build_object('code', 'tick_missing',
      'message', 'The pg_cron job supapush-tick has not run for two minutes: messages may be delayed or stuck.');
  end if;
  -- A run that fails takes back all that it did, the alarm that it would raise with it.
  v_reasons := v_reasons || coalesce((
    select jsonb_agg(jsonb_build_object('code', 'job_failing', 'message', format(
      'The last three runs of the pg_cron job %s failed: %s. Until one does not, %s.', w.name, left(f.said, 300), w.purpose
    )) order by w.name)
    from push.jobs() as w
    join cron.job as c on c.jobname = w.name and c.active
    cross join lateral (
      select count(*) filter (where n.status = 'failed') as failures, (array_agg(n.return_message order by n.runid desc))[1] as said
      from (
        select r.runid, r.status, r.return_message
        from (select d.* from cron.job_run_details as d order by d.runid desc limit 500) as r
        where r.jobid = c.jobid and r.status in ('succeeded', 'failed')
        order by r.runid desc
        limit 3
      ) as n
    ) as f
    where f.failures = 3
  ), '[]');
  return jsonb_build_object('last_tick_at', v_last_tick, 'reasons', v_reasons);
exception when undefined_table or invalid_schema_name then
  -- pg_cron itself is missing.
  return jsonb_build_object('last_tick_at', null, 'reasons', (
    select jsonb_agg(jsonb_build_object('code', 'job_missing', 'message',
      format('The pg_cron job %s is missing: %s. Run: npx supapush connect', w.name, w.purpose)) order by w.name)
    from push.jobs() as w
    where w.wanted
  ));
end;
$$;
comment on function push.job_health(timestamptz) is
  'When the tick ran last, and what is wrong with the jobs: each that is missing or switched off by its name, for push_health.';

select push.schedule_jobs();
