-- push.stats(), what statistics tell: numbers and rates of buckets, by labels.

create function push.check_stats(
  p_from timestamptz, p_until timestamptz, p_every text, p_by text[], p_zone text, p_now timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_unknown text;
  v_kept_from timestamptz;
begin
  if p_every is null or p_every <> all ('{minute,hour,day,all}') then
    perform push.refuse(400, 'stats_every_unknown', 'Statistics are by minute, hour or day, or all in one.',
      'Set p_every to minute, hour, day or all.');
  end if;
  select b.label into v_unknown from unnest(p_by) as b (label)
  where b.label is null or b.label <> all ('{channel,service,code,category,template,rule,topic,outcome}');
  if found then
    perform push.refuse(400, 'stats_by_unknown', format('Statistics have no label %s.', coalesce(v_unknown, 'null')),
      'Set p_by to some of channel, service, code and outcome; or of category, template, rule, topic and outcome.');
  end if;
  if p_by && '{channel,service,code}' and p_by && '{category,template,rule,topic}' then
    perform push.refuse(400, 'stats_by_mixed', 'What a message is and how it was sent are counted apart.',
      'Ask twice: by channel, service and code, and by category, template, rule and topic.');
  end if;
  if p_from is null or p_from >= coalesce(p_until, p_now) then
    perform push.refuse(400, 'stats_range_empty', 'The range of time is empty.', 'Give a p_from before p_until.');
  end if;
  perform push.check_timezone(p_zone);
  v_kept_from := case
    when p_every = 'minute' then push.bucket_of('hour', p_now - interval '48 hours')
    when p_every = 'hour' or p_every = 'day' and p_zone <> 'UTC' then push.bucket_of('day', p_now - interval '35 days')
  end;
  if p_from < v_kept_from then
    perform push.refuse(400, 'stats_too_old',
      format('Statistics by %s are kept from %s on.', case when p_every = 'minute' then 'minute' else 'hour' end,
        to_char(v_kept_from at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
      'Ask from then on, or by day with p_zone UTC.');
  end if;
end;
$$;
comment on function push.check_stats(timestamptz, timestamptz, text, text[], text, timestamptz) is 'Refuses what statistics cannot answer.';

create function push.stats(
  p_from timestamptz,
  p_until timestamptz default null,
  p_every text default 'day',
  p_by text[] default '{}',
  p_zone text default 'UTC',
  p_now timestamptz default clock_timestamp()
)
returns table (
  bucket timestamptz,
  channel text,
  service text,
  code text,
  category text,
  template text,
  rule text,
  topic text,
  outcome text,
  deliveries bigint,
  attempted bigint,
  sent bigint,
  gone bigint,
  failed bigint,
  expired bigint,
  suppressed bigint,
  cancelled bigint,
  delivery_rate numeric,
  displayed bigint,
  clicked bigint,
  dismissed bigint,
  acted bigint,
  click_rate numeric,
  due_to_sent jsonb
)
language plpgsql
set search_path = ''
set jit = off
as $$
#variable_conflict use_column
declare
  v_unit constant text := case when p_every = 'all' then 'hour' else p_every end;
  v_zone constant text := case when p_every = 'day' then p_zone else 'UTC' end;
  v_from timestamptz;
  v_until timestamptz := coalesce(p_until, p_now);
  v_source text := v_unit;
begin
  perform push.check_stats(p_from, p_until, p_every, p_by, p_zone, p_now);
  -- Whole buckets.
  v_from := date_trunc(v_unit, p_from, v_zone);
  if date_trunc(v_unit, v_until, v_zone) < v_until then
    v_until := (date_trunc(v_unit, v_until, v_zone) at time zone v_zone + ('1 ' || v_unit)::interval) at time zone v_zone;
  end if;
  -- Days by another zone are made of hours. All in one is made of days, unless it begins or ends within one that still has hours.
  if v_zone <> 'UTC' then
    v_source := 'hour';
  elsif p_every = 'all' and (
    v_from < push.bucket_of('day', p_now - interval '35 days')
    or (v_from, v_until) = (push.bucket_of('day', v_from), push.bucket_of('day', v_until))
  ) then
    v_source := 'day';
    v_from := push.bucket_of('day', v_from);
  end if;
  return query
  with parts as (
    select case p_every when 'all' then v_from when 'day' then date_trunc('day', s.bucket, p_zone) else s.bucket end as bucket,
      case when 'channel' = any (p_by) then nullif(l.channel, '') end as channel,
      case when 'service' = any (p_by) then nullif(l.service, '') end as service,
      case when 'code' = any (p_by) then nullif(l.code, '') end as code,
      case when 'category' = any (p_by) then nullif(l.category, '') end as category,
      case when 'template' = any (p_by) then nullif(l.template, '') end as template,
      case when 'rule' = any (p_by) then nullif(l.rule, '') end as rule,
      case when 'topic' = any (p_by) then nullif(l.topic, '') end as topic,
      case when 'outcome' = any (p_by) then l.outcome end as outcome,
      l.outcome as state, l.sent_within,
      sum(c.deliveries) as deliveries, sum(c.attempted) as attempted, sum(c.displayed) as displayed, sum(c.clicked) as clicked,
      sum(c.clicked_displayed) as clicked_displayed, sum(c.dismissed) as dismissed, sum(c.acted) as acted
    from push.statistics as s
    cross join unnest(s.cells) as c
    join push.statistic_labels as l on l.id = c.label_id
    where s.every = v_source and s.bucket >= v_from and s.bucket < v_until
      and l.cube = case when p_by && '{category,template,rule,topic}' then 'messages' else 'services' end
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
  ), summed as (
    select p.bucket, p.channel, p.service, p.code, p.category, p.template, p.rule, p.topic, p.outcome,
      sum(p.deliveries)::bigint as deliveries, sum(p.attempted)::bigint as attempted,
      coalesce(sum(p.deliveries) filter (where p.state = 'sent'), 0)::bigint as sent,
      coalesce(sum(p.deliveries) filter (where p.state = 'gone'), 0)::bigint as gone,
      coalesce(sum(p.deliveries) filter (where p.state = 'failed'), 0)::bigint as failed,
      coalesce(sum(p.deliveries) filter (where p.state = 'expired'), 0)::bigint as expired,
      coalesce(sum(p.deliveries) filter (where p.state = 'suppressed'), 0)::bigint as suppressed,
      coalesce(sum(p.deliveries) filter (where p.state = 'cancelled'), 0)::bigint as cancelled,
      sum(p.displayed)::bigint as displayed, sum(p.clicked)::bigint as clicked, sum(p.clicked_displayed) as clicked_displayed,
      sum(p.dismissed)::bigint as dismissed, sum(p.acted)::bigint as acted,
      -- Of each there is one part: all of them were sent.
      jsonb_object_agg(case p.sent_within when 2147483647 then 'more' else p.sent_within::text end, p.deliveries)
        filter (where p.sent_within > 0) as due_to_sent
    from parts as p
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
  )
  select s.bucket, s.channel, s.service, s.code, s.category, s.template, s.rule, s.topic, s.outcome, s.deliveries, s.attempted, s.sent,
    s.gone, s.failed, s.expired, s.suppressed, s.cancelled,
    -- Sent, of the devices that were attempted.
    round(s.sent::numeric / nullif(s.attempted, 0), 4),
    s.displayed, s.clicked, s.dismissed, s.acted,
    -- Clicked, of what was displayed: what a platform never reports as displayed is in neither.
    round(s.clicked_displayed::numeric / nullif(s.displayed, 0), 4),
    s.due_to_sent
  from summed as s
  order by s.bucket, s.channel, s.service, s.code, s.category, s.template, s.rule, s.topic, s.outcome;
end;
$$;
comment on function push.stats(timestamptz, timestamptz, text, text[], text, timestamptz) is
  'What became of the deliveries that ended within a range of time, and what devices said of them, a row for each bucket and combination of '
  'labels that has any. delivery_rate is sent of attempted (sent, gone, failed, and expired after an attempt), click_rate is clicked of displayed. '
  'due_to_sent counts what was sent by less than how many seconds after it was due: {"1": 120, "2": 30, "more": 1}; without it where messages are '
  'told apart. The minute that goes on is not in it. For the database owner.

p_from: From when on; the bucket in which it lies counts as a whole.
p_until: Until when, now unless given; the bucket in which it lies counts as a whole.
p_every: minute (of the last 48 hours), hour (35 days), day, or all in one.
p_by: Some of channel, service (push.hosts.origin), code and outcome; or of category, template, rule, topic and outcome. What is not declared is `other`.
p_zone: The time zone whose days are meant. Other days than those of UTC are made of hours, for 35 days; in a zone of half hours, each hour belongs to the day in which it begins.';

create function public.push_stats(
  p_from timestamptz,
  p_until timestamptz default null,
  p_every text default 'day',
  p_by text[] default '{}',
  p_zone text default 'UTC'
)
returns table (
  bucket timestamptz,
  channel text,
  service text,
  code text,
  category text,
  template text,
  rule text,
  topic text,
  outcome text,
  deliveries bigint,
  attempted bigint,
  sent bigint,
  gone bigint,
  failed bigint,
  expired bigint,
  suppressed bigint,
  cancelled bigint,
  delivery_rate numeric,
  displayed bigint,
  clicked bigint,
  dismissed bigint,
  acted bigint,
  click_rate numeric,
  due_to_sent jsonb
)
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
declare
  -- What the Data API gives at once, unless the project says otherwise. It would cut off the rest without a word.
  c_most constant integer := 1000;
  v_rows bigint;
begin
  return query select s.* from push.stats(p_from, p_until, p_every, p_by, p_zone) as s limit c_most + 1;
  get diagnostics v_rows = row_count;
  if v_rows > c_most then
    perform push.refuse(400, 'stats_too_many_rows', format('These are more than %s rows, which the Data API would cut off.', c_most),
      'Ask for a shorter time, by fewer labels, or with a longer p_every.');
  end if;
end;
$$;
comment on function public.push_stats(timestamptz, timestamptz, text, text[], text) is
  'push.stats() for servers: supabase.rpc(''push_stats'', { p_from, p_every: ''day'' }) with the secret key. At most 1000 rows. Service role only.';

revoke all on function public.push_stats(timestamptz, timestamptz, text, text[], text) from public, anon, authenticated;
grant execute on function public.push_stats(timestamptz, timestamptz, text, text[], text) to service_role;
