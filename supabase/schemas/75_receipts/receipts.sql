-- Receipts: what devices say of a message without a session: displayed, clicked, dismissed.
--
-- The Edge Function push-events calls push_record_receipts(), after it has looked at the receipt's token.

-- A delivery is looked for in the queue and in the one part of the log that its id says: see log.sql.
--
-- No foreign key to deliveries: it would cost each of those a look here when it is deleted, in projects without receipts too.
create table push.receipts (
  delivery_id bigint not null,
  event text not null,
  action text,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null,
  constraint receipts_pkey primary key (delivery_id, event),
  constraint receipts_event check (event in ('displayed', 'clicked', 'action', 'dismissed')),
  constraint receipts_action check (action is null or (event = 'action' and octet_length(action) <= 100))
);
comment on table push.receipts is
  'What devices say became of a delivery: displayed, clicked, action (a button of it), dismissed; the first of each kind. For the database owner.';
comment on column push.receipts.action is 'Which button, as the notification''s presentation names it.';
comment on column push.receipts.occurred_at is
  'When it happened by the clock of the device, which may be wrong: not before the delivery was made, nor after it was recorded.';

alter table push.receipts enable row level security;
create policy receipts_nobody on push.receipts for all to public using (false);

-- A million devices may say that they displayed a message within minutes: each connection counts in a place of its own.
create table push.receipt_counts (
  notification_id uuid not null,
  event text not null,
  place smallint not null,
  receipts bigint not null,
  constraint receipt_counts_pkey primary key (notification_id, event, place),
  constraint receipt_counts_notification_id_fkey foreign key (notification_id)
    references push.fan_outs (notification_id) on delete cascade
)
with (fillfactor = 50);
comment on table push.receipt_counts is
  'How many receipts of each kind there were of a message to a topic: their sum over the places. Those of one user are counted where they are.';

alter table push.receipt_counts enable row level security;
create policy receipt_counts_nobody on push.receipt_counts for all to public using (false);

create function push.read_clicked(p_deliveries bigint[])
returns void
language plpgsql
set search_path = ''
-- Look-ups by key, however small the planner believes these tables to be; so it is in the function below.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
begin
  -- Only while it is the user's device: a click on a shared screen after they signed out must not mark it as read.
  update public.push_notifications as n set read_at = w.occurred_at
  from (
    select o.id, r.occurred_at
    from push.receipts as r
    cross join lateral (
      select v.* from push.deliveries as v
      where v.id = r.delivery_id and (v.id >> 22) / 604800 % 8 = (r.delivery_id >> 22) / 604800 % 8 offset 0
    ) as d
    join public.push_subscriptions as s on s.id = d.subscription_id
    join public.push_notifications as o on o.id = d.notification_id and o.user_id = s.user_id
    where r.delivery_id = any (p_deliveries) and r.event = 'clicked' and o.read_at is null
    order by o.id
    for no key update of o
  ) as w
  where n.id = w.id and n.read_at is null;
  insert into public.push_reads as r (user_id, notification_id, read_at)
  select distinct on (s.user_id, n.id) s.user_id, n.id, c.occurred_at
  from push.receipts as c
  cross join lateral (
      select v.* from push.deliveries as v
      where v.id = c.delivery_id and (v.id >> 22) / 604800 % 8 = (c.delivery_id >> 22) / 604800 % 8 offset 0
    ) as d
  join public.push_subscriptions as s on s.id = d.subscription_id
  join public.push_notifications as n on n.id = d.notification_id
  join public.push_topic_members as m on m.topic = n.audience_topic and m.user_id = s.user_id
  left join public.push_reads as k on k.user_id = s.user_id and k.notification_id = n.id
  where c.delivery_id = any (p_deliveries) and c.event = 'clicked' and k.read_at is null
    and (k.user_id is not null or m.read_until is null or n.send_at > m.read_until)
  order by s.user_id, n.id
  on conflict on constraint push_reads_pkey do update set read_at = excluded.read_at where r.read_at is null;
end;
$$;
comment on function push.read_clicked(bigint[]) is 'Marks as read what was clicked: the notifications of these deliveries.';

create function public.push_record_receipts(p_receipts jsonb, p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_given integer := jsonb_array_length(p_receipts);
  v_known integer;
  v_deliveries bigint[];
  v_events text[];
  v_clicked bigint[];
begin
  perform push.note_function(p_now);
  with known as (
    select g.delivery_id, g.event, d.finished_at, case when g.event = 'action' and octet_length(g.action) <= 100 then g.action end as action,
      least(greatest(coalesce(g.at, p_now), d.created_at), p_now) as occurred_at
    from jsonb_to_recordset(p_receipts) as g (delivery_id bigint, event text, action text, at timestamptz)
    cross join lateral (
      select v.* from push.deliveries as v
      where v.id = g.delivery_id and (v.id >> 22) / 604800 % 8 = (g.delivery_id >> 22) / 604800 % 8 offset 0
    ) as d
    left join public.push_subscriptions as s on s.id = d.subscription_id
    left join public.push_notifications as n on n.id = d.notification_id
    left join public.push_preferences as p on p.user_id = coalesce(s.user_id, n.user_id)
    -- What was sent before the user wanted none has a token. Whether one whose device is gone wanted any is known by the message, but not
    -- of one to a topic.
    where g.event in ('displayed', 'clicked', 'action', 'dismissed') and coalesce(s.user_id, n.user_id) is not null
      and p.receipts is not false
  ), recorded as (
    -- In one order, for two requests that repeat the same ones.
    insert into push.receipts as r (delivery_id, event, action, occurred_at, recorded_at)
    select distinct on (k.delivery_id, k.event) k.delivery_id, k.event, k.action, k.occurred_at, p_now
    from known as k
    order by k.delivery_id, k.event, k.occurred_at
    on conflict on constraint receipts_pkey do nothing
    returning r.delivery_id, r.event
  ), late as (
    -- What ended within the last minute is counted after this anyway: see push.roll_up().
    insert into push.statistics_recounts (bucket, marked_at)
    select distinct date_trunc('minute', k.finished_at), p_now from known as k
    where k.finished_at < p_now - interval '1 minute' and exists (select from recorded)
  )
  select (select count(*) from known), coalesce(array_agg(r.delivery_id), '{}'), coalesce(array_agg(r.event), '{}'),
    coalesce(array_agg(r.delivery_id) filter (where r.event = 'clicked'), '{}')
  into v_known, v_deliveries, v_events, v_clicked
  from recorded as r;

  if v_clicked <> '{}' then
    perform push.read_clicked(v_clicked);
  end if;
  if v_deliveries <> '{}' then
    -- A message that a device has shown has arrived, even if its push service did not say so: it is not sent again.
    perform push.end_deliveries(array(
      select w.id from push.queue as w
      where w.id = any (v_deliveries) and w.lease_until is null and w.claims > 0
        and w.last_code in ('timed_out', 'network_error', 'lease_lost')
      for update skip locked
    ), 'sent', 'receipt', p_now);
  end if;
  if v_deliveries <> '{}' then
    insert into push.receipt_counts as c (notification_id, event, place, receipts)
    select d.notification_id, r.event, pg_backend_pid() % 16, count(*)
    from unnest(v_deliveries, v_events) as r (delivery_id, event)
    cross join lateral (
      select v.* from push.deliveries as v
      where v.id = r.delivery_id and (v.id >> 22) / 604800 % 8 = (r.delivery_id >> 22) / 604800 % 8 offset 0
    ) as d
    join push.fan_outs as f on f.notification_id = d.notification_id
    group by d.notification_id, r.event
    order by d.notification_id, r.event
    on conflict on constraint receipt_counts_pkey do update set receipts = c.receipts + excluded.receipts;
  end if;
  return jsonb_build_object(
    'accepted', cardinality(v_deliveries), 'repeated', v_known - cardinality(v_deliveries), 'refused', v_given - v_known
  );
end;
$$;
comment on function public.push_record_receipts(jsonb, timestamptz) is
  'Records what devices say of deliveries: [{delivery_id, event: displayed|clicked|action|dismissed, action, at}]. The first of each kind '
  'counts (accepted), others are repeated, those of unknown deliveries or events, and of users who want none, refused. Service role only.';

alter table push.settings
  add column resubscribe_limit integer not null default 10,
  add constraint settings_resubscribe_limit check (resubscribe_limit > 0);
comment on column push.settings.resubscribe_limit is 'How often within an hour a device may exchange its subscription without a session.';

revoke all on function public.push_record_receipts(jsonb, timestamptz) from public, anon, authenticated;

grant execute on function public.push_record_receipts(jsonb, timestamptz) to service_role;
