-- What became of one message: its deliveries and receipts, counted.

create function push.progress(p_notification_id uuid)
returns table (
  status text,
  members bigint,
  total bigint,
  queued bigint,
  sent bigint,
  failed bigint,
  gone bigint,
  expired bigint,
  suppressed bigint,
  cancelled bigint,
  displayed bigint,
  clicked bigint,
  dismissed bigint,
  acted bigint
)
language sql
stable
set search_path = ''
as $$
  with finished as (
    select c.state, c.deliveries from push.delivery_counts as c where c.notification_id = p_notification_id
    union all
    -- One user has few devices: those are counted where they are.
    select d.state, 1 from push.deliveries as d
    join public.push_notifications as n on n.id = d.notification_id and n.user_id is not null
    where d.notification_id = p_notification_id and d.finished_at is not null
  ), sums as (
    select sum(f.deliveries) as finished,
      sum(f.deliveries) filter (where f.state = 'sent') as sent,
      sum(f.deliveries) filter (where f.state = 'failed') as failed,
      sum(f.deliveries) filter (where f.state = 'gone') as gone,
      sum(f.deliveries) filter (where f.state = 'expired') as expired,
      sum(f.deliveries) filter (where f.state = 'suppressed') as suppressed,
      sum(f.deliveries) filter (where f.state = 'cancelled') as cancelled
    from finished as f
  ), said as (
    select c.event, c.receipts from push.receipt_counts as c where c.notification_id = p_notification_id
    union all
    select r.event, 1 from push.deliveries as d
    join public.push_notifications as n on n.id = d.notification_id and n.user_id is not null
    join push.receipts as r on r.delivery_id = d.id
    where d.notification_id = p_notification_id
  ), receipts as (
    select sum(s.receipts) filter (where s.event = 'displayed') as displayed,
      sum(s.receipts) filter (where s.event = 'clicked') as clicked,
      sum(s.receipts) filter (where s.event = 'dismissed') as dismissed,
      sum(s.receipts) filter (where s.event = 'action') as acted
    from said as s
  ), totals as (
    select n.status,
      case when n.user_id is null then coalesce(f.members, 0) else 1 end as members,
      case when n.user_id is null then coalesce(f.deliveries, 0) else (
        select count(*) from push.deliveries as d where d.notification_id = n.id
      ) end as total
    from public.push_notifications as n
    left join push.fan_outs as f on f.notification_id = n.id
    where n.id = p_notification_id
  )
  select t.status, t.members, t.total, t.total - coalesce(s.finished, 0)::bigint, coalesce(s.sent, 0)::bigint,
    coalesce(s.failed, 0)::bigint, coalesce(s.gone, 0)::bigint, coalesce(s.expired, 0)::bigint,
    coalesce(s.suppressed, 0)::bigint, coalesce(s.cancelled, 0)::bigint,
    coalesce(r.displayed, 0)::bigint, coalesce(r.clicked, 0)::bigint, coalesce(r.dismissed, 0)::bigint, coalesce(r.acted, 0)::bigint
  from totals as t cross join sums as s cross join receipts as r;
$$;
comment on function push.progress(uuid) is
  'How far a notification has got: users whose turn has come (members), deliveries made (total), waiting or under way (queued), and what became of the others; on how '
  'many devices it was displayed, clicked, dismissed, and one of its actions chosen (acted). While the status is fanning_out, the total still grows. For the database owner.';

create function public.push_progress(p_notification_id uuid)
returns table (
  status text,
  members bigint,
  total bigint,
  queued bigint,
  sent bigint,
  failed bigint,
  gone bigint,
  expired bigint,
  suppressed bigint,
  cancelled bigint,
  displayed bigint,
  clicked bigint,
  dismissed bigint,
  acted bigint
)
language sql
stable
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  select p.* from push.progress(p_notification_id) as p;
$$;
comment on function public.push_progress(uuid) is
  'push.progress() for servers: supabase.rpc(''push_progress'', { p_notification_id }).single() with the secret key. Service role only.';

create function push.receipt_health(p_now timestamptz)
returns jsonb
language sql
stable
set search_path = ''
as $$
  -- Of the deliveries that push_health() tells the success rate of.
  select coalesce(jsonb_object_agg(c.event, c.n), '{}')
  from (
    select r.event, count(*) as n
    from (
      select d.id from push.delivery_log as d
      where d.finished_at > p_now - interval '15 minutes' and d.finished_at <= p_now
      order by d.finished_at desc
      limit 10000
    ) as d
    join push.receipts as r on r.delivery_id = d.id
    group by r.event
  ) as c;
$$;
comment on function push.receipt_health(timestamptz) is
  'What devices said of the newest deliveries of a quarter of an hour, by event.';

revoke all on function public.push_progress(uuid) from public, anon, authenticated;

grant execute on function public.push_progress(uuid) to service_role;
