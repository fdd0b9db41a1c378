-- A new message joins the digest of its key, or opens one.

create function push.join_digests(p_ids uuid[], p_digest_keys text[], p_may_lead boolean, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
-- As in push_claim: look-ups by key, one for each message, whatever the planner believes about the size of an array.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  -- One entry per message that has a policy, in the order given: which digest it belongs to, by its place below.
  v_ids uuid[];
  v_targets bigint[];
  -- One entry per digest, by user and key: in one order always, so that two who open several never wait in a circle.
  v_user_ids uuid[];
  v_keys text[];
  v_policies text[];
  v_windows interval[];
  v_new_ids uuid[];
  v_digests uuid[];
  v_waiting uuid[];
  v_default_ttl integer;
begin
  select s.default_ttl into v_default_ttl from push.settings as s;
  -- Looked up by place, not joined: the planner takes an array for a few entries, and loops over it for each of many.
  with items as (
    select i.place, i.id, n.user_id, i.digest_key, p.key as policy, p.window_length,
      dense_rank() over (order by n.user_id, i.digest_key) as target
    from unnest(p_ids, p_digest_keys) with ordinality as i (id, digest_key, place)
    cross join lateral (
      -- Limited, so that it stays a look-up: a table of which the planner knows little yet, it reads through instead.
      select k.user_id from public.push_notifications as k where k.id = i.id limit 1
    ) as n
    cross join lateral (
      select o.key, o.window_length from push.digest_policies as o
      where i.digest_key = o.key or starts_with(i.digest_key, o.key || ':')
      order by octet_length(o.key) desc
      limit 1
    ) as p
  ), targets as (
    select distinct on (t.target) t.target, t.user_id, t.digest_key, t.policy, t.window_length from items as t
  )
  select i.ids, i.targets, t.user_ids, t.digest_keys, t.policies, t.windows, t.new_ids
  into v_ids, v_targets, v_user_ids, v_keys, v_policies, v_windows, v_new_ids
  from (
    select array_agg(a.id order by a.place) as ids, array_agg(a.target order by a.place) as targets from items as a
  ) as i
  cross join (
    select array_agg(a.user_id order by a.target) as user_ids, array_agg(a.digest_key order by a.target) as digest_keys,
      array_agg(a.policy order by a.target) as policies, array_agg(a.window_length order by a.target) as windows,
      array_agg(gen_random_uuid()) as new_ids
    from targets as a
  ) as t;
  if v_ids is null then
    return array[]::uuid[];
  end if;

  loop
    -- The tick has not come by yet.
    update push.digest_windows as w set open = false
    where w.digest_id in (
      select o.digest_id from unnest(v_user_ids, v_keys) as t (user_id, digest_key)
      join push.digest_windows as o on o.user_id = t.user_id and o.digest_key = t.digest_key
      where o.open and o.closes_at <= p_now
      order by o.user_id, o.digest_key
      for no key update of o
    );
    with opened as (
      insert into push.digest_windows (digest_id, user_id, digest_key, policy, closes_at)
      select t.id, t.user_id, t.digest_key, t.policy, p_now + t.window_length
      from unnest(v_new_ids, v_user_ids, v_keys, v_policies, v_windows) as t (id, user_id, digest_key, policy, window_length)
      order by t.user_id, t.digest_key
      on conflict (user_id, digest_key) where open do nothing
      returning digest_id, user_id, digest_key, policy
    )
    insert into push.digests (id, user_id, digest_key, policy, opened_at)
    select o.digest_id, o.user_id, o.digest_key, o.policy, p_now from opened as o;
    select array_agg(h.id order by h.target) into v_digests
    from (
      select d.id, t.target
      from unnest(v_user_ids, v_keys) with ordinality as t (user_id, digest_key, target)
      cross join lateral (
        select k.digest_id from push.digest_windows as k
        where k.user_id = t.user_id and k.digest_key = t.digest_key and k.open
        -- An older snapshot still sees the one that was closed since, beside that which was opened here in its place.
        order by k.digest_id = v_new_ids[t.target] desc
        limit 1
      ) as w
      cross join lateral (
        select k.id from push.digests as k where k.id = w.digest_id and k.closed_at is null limit 1 for key share
      ) as d
    ) as h;
    -- One that was closed or sealed between the last two statements is opened anew.
    exit when cardinality(v_digests) = cardinality(v_user_ids);
  end loop;

  with items as (
    select i.id, d.id as digest_id, d.closes_at, make_interval(secs => greatest(coalesce(n.ttl, v_default_ttl), 60)) as lifetime,
      -- Ours is the id if it was opened here.
      p_may_lead and p.leads and d.id = v_new_ids[i.target]
        and row_number() over (partition by i.target order by i.place) = 1 as leads,
      n.send_at, n.expires_at
    from unnest(v_ids, v_targets) with ordinality as i (id, target, place)
    cross join lateral (
      select k.ttl, k.send_at, k.expires_at from public.push_notifications as k where k.id = i.id limit 1
    ) as n
    cross join lateral (
      select k.digest_id as id, k.closes_at, k.policy from push.digest_windows as k where k.digest_id = v_digests[i.target] limit 1
    ) as d
    left join push.digest_policies as p on p.key = d.policy
  ), waiting as (
    update public.push_notifications as n
    set status = 'digested',
        digest_id = i.digest_id,
        -- A default lifetime is that of a push: it begins with the summary. An expiry that the app chose stands.
        expires_at = case
          when n.expires_at = n.send_at + i.lifetime then greatest(n.expires_at, i.closes_at + i.lifetime)
          else n.expires_at
        end
    from items as i
    where n.id = i.id and i.leads is not true
      -- A message whose chosen expiry comes before the summary would never be sent.
      and (i.expires_at > i.closes_at or i.expires_at = i.send_at + i.lifetime)
    returning n.id
  )
  select array(select w.id from waiting as w) into v_waiting;

  -- A window with max_items closes early. Items that others add at this very moment are not seen here, but by the next joiner.
  update push.digest_windows as w set open = false, closes_at = p_now
  where w.digest_id in (
    select o.digest_id from unnest(v_digests) as h (id)
    join push.digest_windows as o on o.digest_id = h.id
    join push.digest_policies as p on p.key = o.policy
    where o.open and p.max_items <= (
      select count(*) from (
        select from public.push_notifications as n
        where n.digest_id = o.digest_id and n.status = 'digested'
        limit p.max_items
      ) as c
    )
    for no key update of o skip locked
  );
  return v_waiting;
end;
$$;
comment on function push.join_digests(uuid[], text[], boolean, timestamptz) is
  'Puts each of these notifications into the open digest of its user and key, which is made if need be; returns those that wait now. '
  'The others lead (only if p_may_lead), end before the summary or have no policy: they go at once.';

create function push.is_wanted(p_user_id uuid, p_category text, p_now timestamptz)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  if exists (
    select from auth.users as u where u.id = p_user_id and (u.banned_until > p_now or u.deleted_at is not null)
  ) then
    return false;
  end if;
  if not exists (select from public.push_preferences as p where p.user_id = p_user_id)
    and not exists (select from public.push_device_preferences as o where o.user_id = p_user_id) then
    return true;
  end if;
  -- Without a device no preference can refuse it.
  return not exists (select from public.push_subscriptions as s where s.user_id = p_user_id) or exists (
    select from public.push_subscriptions as s
    left join public.push_preferences as p on p.user_id = s.user_id
    left join public.push_device_preferences as o on o.subscription_id = s.id and o.user_id = s.user_id
    where s.user_id = p_user_id
      and coalesce((push.judge(p, o, p_category, 'normal', 'infinity', p_now)).code, 'quiet_hours') = 'quiet_hours'
  );
end;
$$;
comment on function push.is_wanted(uuid, text, timestamptz) is
  'Whether a user has not muted this category or everything, on all devices there are, and is not banned. Quiet hours are no such thing.';

create function push.was_dropped(p_user_id uuid, p_category text, p_urgency text, p_at timestamptz)
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(bool_or(push.quiet_until(p, p_at) is not null), false)
  from public.push_preferences as p, push.settings as s
  where p.user_id = p_user_id
    and (push.category_of(p_category)).quiet_hours = 'drop'
    and not (p_urgency = 'high' and 'high' = any (s.quiet_hours_pass));
$$;
comment on function push.was_dropped(uuid, text, text, timestamptz) is
  'Whether a message of this category came in its user''s quiet hours, in which such messages are dropped.';
