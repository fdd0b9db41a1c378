-- What is known of one user: told to them, and to operators who are asked for it. Deleting the row of auth.users erases it.

create function push.logged_for(p_devices uuid[])
returns bigint[]
language sql
stable
set search_path = ''
-- All of the log, in its own order: no index finds the rows of a device.
set enable_seqscan = on
as $$
  select coalesce(array_agg(l.id), '{}') from push.delivery_log as l where l.subscription_id = any (p_devices);
$$;
comment on function push.logged_for(uuid[]) is 'What ended of the deliveries to these devices. Reads the whole log.';

create function push.deliveries_of(p_own uuid[], p_devices uuid[], p_whole_log boolean)
returns bigint[]
language plpgsql
stable
set search_path = ''
-- A user's own by index, however few the planner believes there are.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
begin
  return array(
    -- Each by the conditions of its index: see queue.sql.
    select w.id from unnest(p_own) as n (id)
    cross join lateral (select d.id from push.deliveries as d where d.notification_id = n.id offset 0) as w
    union
    select w.id from unnest(p_devices) as s (id)
    cross join lateral (
      select q.id from push.queue as q
      where q.subscription_id = s.id and q.lease_until is null and q.subscription_id >= '00000000-0000-0000-0000-000000000000'
      offset 0
    ) as w
    union
    -- Of what is under way, all is read: that is never much.
    select w.id from (select q.id, q.subscription_id from push.queue as q where q.lease_until >= '-infinity' offset 0) as w
    where w.subscription_id = any (p_devices)
    union
    select unnest(push.logged_for(p_devices)) where p_whole_log
    order by 1
  );
end;
$$;
comment on function push.deliveries_of(uuid[], uuid[], boolean) is
  'The deliveries of these notifications and to these devices; of those to devices that ended, only with p_whole_log, which reads all of it.';

create function push.export_user(p_user_id uuid, p_whole_log boolean default true)
returns jsonb
language plpgsql
stable
set search_path = ''
-- A user's own by index, however few the planner believes there are.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_devices uuid[] := array(select s.id from public.push_subscriptions as s where s.user_id = p_user_id order by s.created_at, s.id);
  v_own uuid[] := array(select n.id from public.push_notifications as n where n.user_id = p_user_id order by n.send_at, n.id);
  v_deliveries bigint[];
  v_export jsonb;
begin
  v_deliveries := push.deliveries_of(v_own, v_devices, p_whole_log);
  select jsonb_object_agg(w.name, coalesce(w.entries, '[]')) into v_export
  from (
    -- Without the keys: who has them can read what is sent to the device.
    select 'devices' as name, (
      select jsonb_agg(to_jsonb(s) - '{p256dh,auth}'::text[] order by s.created_at, s.id) from public.push_subscriptions as s
      where s.user_id = p_user_id
    ) as entries
    union all
    select 'devices_exchanged', (
      select jsonb_agg(to_jsonb(r) order by r.subscription_id) from push.resubscriptions as r where r.subscription_id = any (v_devices)
    )
    union all
    select 'devices_removed', (
      select jsonb_agg(jsonb_build_object('address_digest', encode(r.address_digest, 'hex'), 'removed_at', r.removed_at) order by r.removed_at)
      from push.removed_devices as r where r.user_id = p_user_id
    )
    union all
    select 'preferences', (select jsonb_agg(to_jsonb(p)) from public.push_preferences as p where p.user_id = p_user_id)
    union all
    select 'device_preferences', (
      select jsonb_agg(to_jsonb(p) order by p.subscription_id) from public.push_device_preferences as p where p.user_id = p_user_id
    )
    union all
    select 'topics', (
      select jsonb_agg(to_jsonb(m) order by m.topic) from public.push_topic_members as m where m.user_id = p_user_id
    )
    union all
    select 'notifications', (
      select jsonb_agg(to_jsonb(n) order by n.send_at, n.id) from public.push_notifications as n where n.id = any (v_own)
    )
    union all
    select 'reads', (
      select jsonb_agg(to_jsonb(r) order by r.notification_id) from public.push_reads as r where r.user_id = p_user_id
    )
    union all
    select 'deliveries', (
      select jsonb_agg(to_jsonb(d) order by d.id)
      from unnest(v_deliveries) as i (id)
      cross join lateral (
        select v.* from push.deliveries as v where v.id = i.id and (v.id >> 22) / 604800 % 8 = (i.id >> 22) / 604800 % 8 offset 0
      ) as d
    )
    union all
    select 'receipts', (
      select jsonb_agg(to_jsonb(r) order by r.delivery_id, r.event) from push.receipts as r where r.delivery_id = any (v_deliveries)
    )
    union all
    select 'alerts', (select jsonb_agg(to_jsonb(a) order by a.id) from public.push_alerts as a where a.user_id = p_user_id)
    union all
    select 'alert_counts', (
      select jsonb_agg(to_jsonb(c) order by c.minute, c.symbol, c.by_tick) from push.alert_counts as c where c.user_id = p_user_id
    )
    union all
    select 'digests', (select jsonb_agg(to_jsonb(d) order by d.opened_at, d.id) from push.digests as d where d.user_id = p_user_id)
    union all
    select 'digest_windows', (select jsonb_agg(to_jsonb(d) order by d.digest_key) from push.digest_windows as d where d.user_id = p_user_id)
    union all
    select 'throttles', (select jsonb_agg(to_jsonb(l) order by l.category) from push.throttle_log as l where l.user_id = p_user_id)
    union all
    select 'daily_pushes', (select jsonb_agg(to_jsonb(d)) from push.daily_pushes as d where d.user_id = p_user_id)
    union all
    select 'lists', (
      select jsonb_agg(jsonb_build_object('id', f.id, 'message', f.message, 'started_at', f.started_at) order by f.started_at, f.id)
      from push.fan_outs as f
      where f.message is not null and exists (
        select from push.fan_out_recipients as r where r.fan_out_id = f.id and r.user_id = p_user_id
      )
    )
    union all
    select 'push_services', (
      select jsonb_agg(h.origin order by h.origin) from push.hosts as h
      where p_user_id = any (h.known_users || h.evidence_users || h.probed_users)
    )
  ) as w;
  return jsonb_build_object('user_id', p_user_id) || v_export;
end;
$$;
comment on function push.export_user(uuid, boolean) is
  'All that is stored of one user, as JSON: an array for each kind, empty where there is nothing. Without the keys of devices. Reads the '
  'whole log, unless p_whole_log is false: then finished deliveries of messages to topics are left out. For the database owner.';

create function public.push_export()
returns jsonb
language plpgsql
-- Definer: users may not use schema push. They choose neither whose data it is nor the time by which calls are counted.
security definer
set search_path = ''
as $$
declare
  c_limit constant integer := 10;
  -- As push.send_test() counts: no category has a space in its key.
  c_counted_as constant text := 'an export';
  v_user_id constant uuid := public.push_user_id();
  v_now constant timestamptz := clock_timestamp();
  v_asked integer;
begin
  insert into push.throttle_log as l (user_id, category, moments, done_at)
  values (v_user_id, c_counted_as, array[v_now], v_now + interval '1 hour')
  on conflict (user_id, category) do update
  set moments = array(
        select m.moment from unnest(l.moments) as m (moment)
        where m.moment > v_now - interval '1 hour' and m.moment <= v_now + interval '1 minute'
      ) || v_now,
      done_at = excluded.done_at
  returning cardinality(l.moments) into v_asked;
  if v_asked > c_limit then
    perform push.refuse(429, 'too_many_exports', format('At most %s exports can be made in an hour.', c_limit), 'Try again later.');
  end if;
  return push.export_user(v_user_id, false);
end;
$$;
comment on function public.push_export() is
  'All that is stored of the calling user, as JSON; see push.export_user(). Finished deliveries of messages to topics are left out, because '
  'they are found only by reading the whole log.';

revoke all on function public.push_export() from public, anon, authenticated;
grant execute on function public.push_export() to authenticated;

create function push.users_of(p_ids uuid[])
returns uuid[]
language sql
stable
set search_path = ''
as $$
  select array(
    select i.id from unnest(p_ids) with ordinality as i (id, place)
    where exists (select from auth.users as u where u.id = i.id)
    order by i.place
  );
$$;
comment on function push.users_of(uuid[]) is 'Those of these ids that are users, in the same order.';

create function push.forget_users()
returns void
language sql
set search_path = ''
as $$
  -- Skip locked: a claim or a report that works with the row does not wait for us, nor we for it.
  update push.hosts as h
  set known_users = g.known, evidence_users = g.evidence, probed_users = g.probed
  from (
    select l.origin,
      push.users_of(l.known_users) as known, push.users_of(l.evidence_users) as evidence, push.users_of(l.probed_users) as probed
    from push.hosts as l
    where (l.known_users, l.evidence_users, l.probed_users)
      is distinct from (push.users_of(l.known_users), push.users_of(l.evidence_users), push.users_of(l.probed_users))
    for no key update of l skip locked
  ) as g
  where h.origin = g.origin;
$$;
comment on function push.forget_users() is
  'Takes users who were deleted out of what push services are known by. All else of them goes with their row in auth.users.';
