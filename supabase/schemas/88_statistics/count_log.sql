-- What a stretch of the log amounts to, by the labels that statistics have.

create type push.named_statistic as (
  cube text, channel text, service text, outcome text, code text, sent_within integer, category text, template text, rule text, topic text,
  deliveries integer, attempted integer, displayed integer, clicked integer, clicked_displayed integer, dismissed integer, acted integer
);
comment on type push.named_statistic is 'A push.statistic with its labels.';

create function push.delay_bounds()
returns integer[]
language sql
immutable
set search_path = ''
as $$ select array[1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600]; $$;
comment on function push.delay_bounds() is 'The seconds from due to sent by which statistics tell deliveries apart.';

create function push.count_log(p_from timestamptz, p_until timestamptz)
returns setof push.named_statistic
language plpgsql
stable
set search_path = ''
-- The log in the order of its index, and look-ups by key, however small the planner believes these tables to be.
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set enable_material = off
set jit = off
as $$
declare
  c_bounds constant float8[] := push.delay_bounds()::float8[];
begin
  return query
  with counted as materialized (
    select l.host, l.state, l.last_code, n.category, n.template, n.rule, n.audience_topic as topic,
      case when l.state = 'sent' and isfinite(l.due_at) then width_bucket(extract(epoch from l.finished_at - l.due_at)::float8, c_bounds) end as delay,
      -- Handed to a push service at least once, or to one that was not reached. What was taken back says nothing of the way.
      l.state in ('sent', 'gone', 'failed') or l.state = 'expired' and l.claims > 0 as is_attempted,
      array(select r.event from push.receipts as r where r.delivery_id = l.id) as said,
      count(*) as deliveries
    from push.delivery_log as l
    left join public.push_notifications as n on n.id = l.notification_id
    where l.finished_at >= p_from and l.finished_at < p_until
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
  ), named as materialized (
    -- Declared names alone: others are users' words, and without number.
    select coalesce(h.channel, 'other') as channel, coalesce(h.origin, 'other') as service, c.state as outcome,
      case when c.last_code is null then '' when c.last_code ~ '^[a-z][a-z0-9_]{0,39}$' then c.last_code else 'other' end as code,
      case when c.delay is not null then coalesce((push.delay_bounds())[c.delay + 1], 2147483647) else 0 end as sent_within,
      case when c.category is null then '' else coalesce((push.category_of(c.category)).key, 'other') end as category,
      case when c.template is null then '' else coalesce((
        select t.key from public.push_templates as t where t.key = c.template and t.locale = ''), 'other') end as template,
      case when c.rule is null then '' else coalesce((select r.name from push.rules as r where r.name = c.rule), 'other') end as rule,
      case when c.topic is null then '' else coalesce((
        select t.key from public.push_topics as t where t.key = c.topic), 'other') end as topic,
      c.deliveries,
      case when c.is_attempted then c.deliveries else 0 end as attempted,
      case when 'displayed' = any (c.said) then c.deliveries else 0 end as displayed,
      case when 'clicked' = any (c.said) then c.deliveries else 0 end as clicked,
      case when c.said @> '{displayed,clicked}' then c.deliveries else 0 end as clicked_displayed,
      case when 'dismissed' = any (c.said) then c.deliveries else 0 end as dismissed,
      case when 'action' = any (c.said) then c.deliveries else 0 end as acted
    from counted as c
    left join push.hosts as h on h.origin = c.host
  )
  select 'services', n.channel, n.service, n.outcome, n.code, n.sent_within, '', '', '', '',
    sum(n.deliveries)::integer, sum(n.attempted)::integer, sum(n.displayed)::integer, sum(n.clicked)::integer,
    sum(n.clicked_displayed)::integer, sum(n.dismissed)::integer, sum(n.acted)::integer
  from named as n
  group by 2, 3, 4, 5, 6
  union all
  select 'messages', '', '', n.outcome, '', 0, n.category, n.template, n.rule, n.topic,
    sum(n.deliveries)::integer, sum(n.attempted)::integer, sum(n.displayed)::integer, sum(n.clicked)::integer,
    sum(n.clicked_displayed)::integer, sum(n.dismissed)::integer, sum(n.acted)::integer
  from named as n
  group by 4, 7, 8, 9, 10;
end;
$$;
comment on function push.count_log(timestamptz, timestamptz) is
  'What ended from one moment until before another, counted from the log in both cubes. One walk along the index by which the log is emptied, '
  'and two look-ups by key a delivery.';

create function push.label_id(p_named push.named_statistic)
returns integer
language sql
stable
set search_path = ''
as $$
  select l.id from push.statistic_labels as l
  where (l.cube, l.channel, l.service, l.outcome, l.code, l.sent_within, l.category, l.template, l.rule, l.topic) = (
    (p_named).cube, (p_named).channel, (p_named).service, (p_named).outcome, (p_named).code, (p_named).sent_within, (p_named).category,
    (p_named).template, (p_named).rule, (p_named).topic
  );
$$;
comment on function push.label_id(push.named_statistic) is 'The number of these labels; null when they have none.';

create function push.without_names(p_named push.named_statistic)
returns push.named_statistic
language plpgsql
immutable
set search_path = ''
as $$
begin
  p_named.code := case when p_named.code <> '' then 'other' else '' end;
  p_named.category := case when p_named.category <> '' then 'other' else '' end;
  p_named.template := case when p_named.template <> '' then 'other' else '' end;
  p_named.rule := case when p_named.rule <> '' then 'other' else '' end;
  p_named.topic := case when p_named.topic <> '' then 'other' else '' end;
  return p_named;
end;
$$;
comment on function push.without_names(push.named_statistic) is 'The same, counted as other: for labels beyond push.settings.max_statistic_labels.';

create function push.add_labels(p_named push.named_statistic[], p_limit integer)
returns void
language sql
set search_path = ''
as $$
  insert into push.statistic_labels (cube, channel, service, outcome, code, sent_within, category, template, rule, topic)
  select n.cube, n.channel, n.service, n.outcome, n.code, n.sent_within, n.category, n.template, n.rule, n.topic
  from unnest(p_named) as n
  where push.label_id(n) is null
  group by n.cube, n.channel, n.service, n.outcome, n.code, n.sent_within, n.category, n.template, n.rule, n.topic
  -- Of more than there is room for, what is most frequent.
  order by sum(n.deliveries) desc
  limit p_limit
  on conflict do nothing;
$$;
comment on function push.add_labels(push.named_statistic[], integer) is 'Numbers the labels that have no number yet, at most p_limit.';

create function push.label_statistics(p_named push.named_statistic[])
returns push.statistic[]
language plpgsql
set search_path = ''
as $$
declare
  v_named push.named_statistic[];
begin
  perform push.add_labels(p_named, (
    select greatest(s.max_statistic_labels - (select count(*) from push.statistic_labels), 0)::integer from push.settings as s
  ));
  v_named := array(
    select case when push.label_id(n) is null then push.without_names(n) else n end from unnest(p_named) as n
  );
  -- These are few, whatever the others are.
  perform push.add_labels(v_named, null);
  return array(
    select row(
      push.label_id(n), sum(n.deliveries), sum(n.attempted), sum(n.displayed), sum(n.clicked), sum(n.clicked_displayed), sum(n.dismissed),
      sum(n.acted)
    )::push.statistic
    from unnest(v_named) as n
    group by push.label_id(n)
    order by push.label_id(n)
  );
end;
$$;
comment on function push.label_statistics(push.named_statistic[]) is 'The same with the numbers of their labels, which it makes where they are missing.';
