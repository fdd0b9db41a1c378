-- Supapush: what devices say by themselves, without a session: that a notification was displayed, clicked or dismissed,
-- that their push service gave them another subscription, and that somebody signed out.
--
-- The Edge Function push-events calls these. It has looked at a receipt's token; a device proves its keys here.

-- receipts -----------------------------------------------------------------------------------------------------

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
  'What devices say became of a delivery: displayed, clicked, action (a button of it), dismissed; the first of each kind.';
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
    references push.expansions (notification_id) on delete cascade
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
  -- Only for whose device it still is: what is left on a shared screen after its user signed out is nobody's to read.
  update public.push_notifications as n set read_at = w.occurred_at
  from (
    select o.id, r.occurred_at
    from push.receipts as r
    join push.deliveries as d on d.id = r.delivery_id
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
  join push.deliveries as d on d.id = c.delivery_id
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
  with known as (
    select g.delivery_id, g.event, case when g.event = 'action' and octet_length(g.action) <= 100 then g.action end as action,
      least(greatest(coalesce(g.at, p_now), d.created_at), p_now) as occurred_at
    from jsonb_to_recordset(p_receipts) as g (delivery_id bigint, event text, action text, at timestamptz)
    join push.deliveries as d on d.id = g.delivery_id
    where g.event in ('displayed', 'clicked', 'action', 'dismissed')
  ), recorded as (
    -- In one order, for two requests that repeat the same ones.
    insert into push.receipts as r (delivery_id, event, action, occurred_at, recorded_at)
    select distinct on (k.delivery_id, k.event) k.delivery_id, k.event, k.action, k.occurred_at, p_now
    from known as k
    order by k.delivery_id, k.event, k.occurred_at
    on conflict on constraint receipts_pkey do nothing
    returning r.delivery_id, r.event
  )
  select (select count(*) from known), coalesce(array_agg(r.delivery_id), '{}'), coalesce(array_agg(r.event), '{}'),
    coalesce(array_agg(r.delivery_id) filter (where r.event = 'clicked'), '{}')
  into v_known, v_deliveries, v_events, v_clicked
  from recorded as r;

  if v_clicked <> '{}' then
    perform push.read_clicked(v_clicked);
  end if;
  if v_deliveries <> '{}' then
    -- What a device has shown has arrived, though its push service did not say so: it is not sent again.
    update push.deliveries as d set state = 'sent', finished_at = p_now, last_code = 'receipt'
    where d.id in (
      select w.id from push.deliveries as w
      where w.id = any (v_deliveries) and w.state = 'queued' and w.attempts > 0
        and w.last_code in ('timed_out', 'network_error', 'lease_lost')
      for update skip locked
    );
  end if;
  if v_deliveries <> '{}' then
    insert into push.receipt_counts as c (notification_id, event, place, receipts)
    select d.notification_id, r.event, pg_backend_pid() % 16, count(*)
    from unnest(v_deliveries, v_events) as r (delivery_id, event)
    join push.deliveries as d on d.id = r.delivery_id
    join push.expansions as e on e.notification_id = d.notification_id
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
  'counts (accepted), others are repeated, those of unknown deliveries or events refused. Service role only.';

-- progress -----------------------------------------------------------------------------------------------------

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
      case when n.user_id is null then coalesce(e.members, 0) else 1 end as members,
      case when n.user_id is null then coalesce(e.deliveries, 0) else (
        select count(*) from push.deliveries as d where d.notification_id = n.id
      ) end as total
    from public.push_notifications as n
    left join push.expansions as e on e.notification_id = n.id
    where n.id = p_notification_id
  )
  select t.status, t.members, t.total, t.total - coalesce(s.finished, 0)::bigint, coalesce(s.sent, 0)::bigint,
    coalesce(s.failed, 0)::bigint, coalesce(s.gone, 0)::bigint, coalesce(s.expired, 0)::bigint,
    coalesce(s.suppressed, 0)::bigint, coalesce(s.cancelled, 0)::bigint,
    coalesce(r.displayed, 0)::bigint, coalesce(r.clicked, 0)::bigint, coalesce(r.dismissed, 0)::bigint, coalesce(r.acted, 0)::bigint
  from totals as t cross join sums as s cross join receipts as r;
$$;
comment on function push.progress(uuid) is
  'How far a notification has got: users reached, deliveries made (total), waiting or under way (queued), and what became of the others; on how '
  'many devices it was displayed, clicked, dismissed, and one of its actions chosen (acted). While the status is expanding, the total still grows.';

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

-- operators ----------------------------------------------------------------------------------------------------

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
      select d.id from push.deliveries as d
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

create function push.clean_receipts(p_limit integer, p_before timestamptz)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_count bigint;
begin
  -- Ids grow with time: only the oldest are looked at.
  delete from push.receipts as r
  where (r.delivery_id, r.event) in (
    select o.delivery_id, o.event
    from (
      select w.delivery_id, w.event, w.recorded_at from push.receipts as w order by w.delivery_id, w.event limit p_limit
    ) as o
    where o.recorded_at <= p_before
  );
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.clean_receipts(integer, timestamptz) is
  'Removes receipts that were recorded until p_before, looking at p_limit of them; returns how many.';

-- devices ------------------------------------------------------------------------------------------------------

alter table push.settings
  add column resubscribe_limit integer not null default 10,
  add constraint settings_resubscribe_limit check (resubscribe_limit > 0);
comment on column push.settings.resubscribe_limit is 'How often within an hour a device may exchange its subscription without a session.';

create table push.resubscriptions (
  subscription_id uuid not null,
  moments timestamptz[] not null,
  constraint resubscriptions_pkey primary key (subscription_id),
  constraint resubscriptions_subscription_id_fkey foreign key (subscription_id)
    references public.push_subscriptions (id) on delete cascade
);
comment on table push.resubscriptions is 'When devices exchanged their subscription without a session, as far as that limits the next time.';

alter table push.resubscriptions enable row level security;
create policy resubscriptions_nobody on push.resubscriptions for all to public using (false);

create function push.proven_device(p_endpoint text, p_p256dh text, p_auth text)
returns uuid
language plpgsql
stable
set search_path = ''
-- Strangers may ask: by the index, whatever the planner believed of the table when it was small.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_given bytea := sha256(convert_to(concat_ws('.', p_p256dh, p_auth), 'UTF8'));
  v_id uuid;
  v_keys bytea;
begin
  select s.id, sha256(convert_to(concat_ws('.', s.p256dh, s.auth), 'UTF8')) into v_id, v_keys
  from (select p_endpoint as endpoint) as g
  left join public.push_subscriptions as s on s.endpoint = g.endpoint;
  -- Digests are compared, so that how long it takes says nothing about the keys; and as much is done for an unknown endpoint.
  return case when v_keys = v_given then v_id end;
end;
$$;
comment on function push.proven_device(text, text, text) is
  'The device with this endpoint, if these are its keys: only the browser itself has both. Null for other keys and for unknown endpoints.';

create function public.push_proven_devices(p_devices jsonb)
returns jsonb
language sql
stable
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(push.proven_device(d.given ->> 'endpoint', d.given ->> 'p256dh', d.given ->> 'auth') order by d.place), '[]'
  )
  from jsonb_array_elements(p_devices) with ordinality as d (given, place);
$$;
comment on function public.push_proven_devices(jsonb) is
  'Which devices these prove, [{endpoint, p256dh, auth}]: their ids in the same order, null for wrong keys and for unknown devices. '
  'The Edge Function asks for many at once, before anything is written for one of them. Service role only.';

create function public.push_resubscribe(
  p_old_endpoint text,
  p_old_p256dh text,
  p_old_auth text,
  p_endpoint text,
  p_p256dh text,
  p_auth text,
  p_vapid_key text default null,
  p_now timestamptz default clock_timestamp()
)
returns uuid
language plpgsql
-- Definer: writes settings and limits that the service role may not see.
security definer
set search_path = ''
as $$
declare
  v_device public.push_subscriptions;
  v_other public.push_subscriptions;
  v_settings push.settings;
  v_id uuid := push.proven_device(p_old_endpoint, p_old_p256dh, p_old_auth);
begin
  if v_id is not null then
    -- As push.check_subscription() does: nobody else registers the new endpoint meanwhile.
    perform pg_advisory_xact_lock(hashtextextended('supapush.endpoint.' || p_endpoint, 0));
    select s.* into v_device from public.push_subscriptions as s
    where s.id = v_id and s.endpoint = p_old_endpoint and s.p256dh = p_old_p256dh and s.auth = p_old_auth
    for update;
  end if;
  if v_device.id is null then
    -- Whoever has had no answer to the first try is told the same again.
    v_id := push.proven_device(p_endpoint, p_p256dh, p_auth);
    if v_id is null then
      perform push.refuse(404, 'subscription_unknown', 'No device is registered with this subscription.',
        'Register the new subscription from the app while its user is signed in.');
    end if;
    return v_id;
  end if;
  if (v_device.endpoint, v_device.p256dh, v_device.auth) = (p_endpoint, p_p256dh, p_auth) then
    return v_id;
  end if;

  select s.* into v_settings from push.settings as s;
  insert into push.resubscriptions as r (subscription_id, moments)
  values (v_id, array[p_now])
  on conflict on constraint resubscriptions_pkey do update
  -- Those to come are of a clock that was set back.
  set moments = array(
        select m.at from unnest(r.moments) as m (at) where m.at > p_now - interval '1 hour' and m.at <= p_now + interval '1 minute'
      ) || p_now
  where v_settings.resubscribe_limit > (
    select count(*) from unnest(r.moments) as m (at) where m.at > p_now - interval '1 hour' and m.at <= p_now + interval '1 minute'
  );
  if not found then
    perform push.refuse(429, 'too_many_resubscriptions',
      format('This device changed its subscription %s times within an hour.', v_settings.resubscribe_limit),
      'Try again in an hour.');
  end if;

  select s.* into v_other from public.push_subscriptions as s where s.endpoint = p_endpoint and s.id <> v_id for update;
  if v_other.id is not null then
    if (v_other.user_id, v_other.p256dh, v_other.auth) is distinct from (v_device.user_id, p_p256dh, p_auth) then
      perform push.refuse(409, 'endpoint_taken', 'This endpoint is already registered.',
        'Register the new subscription from the app while its user is signed in.');
    end if;
    -- The app has registered the same device beside its old row, which has its preferences and what waits for it.
    delete from public.push_subscriptions as s where s.id = v_other.id;
  end if;
  update public.push_subscriptions as s
  set endpoint = p_endpoint, p256dh = p_p256dh, auth = p_auth,
      vapid_key = coalesce(p_vapid_key, v_settings.vapid_public_key), expires_at = null
  where s.id = v_id;
  return v_id;
end;
$$;
comment on function public.push_resubscribe(text, text, text, text, text, text, text, timestamptz) is
  'Gives a device that proves its keys another subscription, as its push service did: the row stays, with its preferences and what waits '
  'for it. Refuses unknown devices and wrong keys alike. Returns the row''s id. Service role only.';

create function public.push_release(p_endpoint text, p_p256dh text, p_auth text)
returns boolean
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
declare
  v_id uuid := push.proven_device(p_endpoint, p_p256dh, p_auth);
begin
  delete from public.push_subscriptions as s
  where s.id = v_id and s.endpoint = p_endpoint and s.p256dh = p_p256dh and s.auth = p_auth;
  return found;
end;
$$;
comment on function public.push_release(text, text, text) is
  'Removes a device that proves its keys, for a user who has signed out already; false for wrong keys and unknown devices. Service role only.';

revoke all on all functions in schema push from public;
revoke all on function public.push_record_receipts(jsonb, timestamptz) from public, anon, authenticated;
revoke all on function public.push_progress(uuid) from public, anon, authenticated;
revoke all on function public.push_proven_devices(jsonb) from public, anon, authenticated;
revoke all on function public.push_resubscribe(text, text, text, text, text, text, text, timestamptz) from public, anon, authenticated;
revoke all on function public.push_release(text, text, text) from public, anon, authenticated;
grant execute on function public.push_record_receipts(jsonb, timestamptz) to service_role;
grant execute on function public.push_progress(uuid) to service_role;
grant execute on function public.push_proven_devices(jsonb) to service_role;
grant execute on function public.push_resubscribe(text, text, text, text, text, text, text, timestamptz) to service_role;
grant execute on function public.push_release(text, text, text) to service_role;
