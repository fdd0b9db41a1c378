-- A message that is due joins the digest of its key, or opens one.

create type push.digest_item as (notification_id uuid, user_id uuid, digest_key text);
comment on type push.digest_item is 'A message, and the digest it is to wait in.';

create type push.digest_target as (
  user_id uuid,
  digest_key text,
  policy text,
  window_length interval,
  new_id uuid
);
comment on type push.digest_target is 'The digest of one user and key that messages are to join, and its id if it has to be opened.';

create function push.open_digests(p_targets push.digest_target[], p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
-- As in push_claim: look-ups by key, one for each digest, whatever the planner believes about the size of an array.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_digests uuid[];
begin
  loop
    -- The tick has not come by yet.
    update push.digest_windows as w set open = false
    where w.digest_id in (
      select o.digest_id from unnest(p_targets) as t
      join push.digest_windows as o on o.user_id = t.user_id and o.digest_key = t.digest_key
      where o.open and o.closes_at <= p_now
      order by o.user_id, o.digest_key
      for no key update of o
    );
    with opened as (
      insert into push.digest_windows (digest_id, user_id, digest_key, policy, closes_at)
      select t.new_id, t.user_id, t.digest_key, t.policy, p_now + t.window_length
      from unnest(p_targets) as t
      order by t.user_id, t.digest_key
      on conflict (user_id, digest_key) where open do nothing
      returning digest_id, user_id, digest_key, policy
    )
    insert into push.digests (id, user_id, digest_key, policy, opened_at)
    select o.digest_id, o.user_id, o.digest_key, o.policy, p_now from opened as o;
    select array_agg(h.id order by h.place) into v_digests
    from (
      select d.id, t.place
      from unnest(p_targets) with ordinality as t (user_id, digest_key, policy, window_length, new_id, place)
      cross join lateral (
        select k.digest_id from push.digest_windows as k
        where k.user_id = t.user_id and k.digest_key = t.digest_key and k.open
        -- An older snapshot still sees the one that was closed since, beside that which was opened here in its place.
        order by k.digest_id = t.new_id desc
        limit 1
      ) as w
      cross join lateral (
        select k.id from push.digests as k where k.id = w.digest_id and k.closed_at is null limit 1 for key share
      ) as d
    ) as h;
    -- One that was closed or sealed between the last two statements is opened anew.
    exit when cardinality(v_digests) = cardinality(p_targets);
  end loop;
  return v_digests;
end;
$$;
comment on function push.open_digests(push.digest_target[], timestamptz) is
  'The open digests of these users and keys, in this order, made where there are none; they stay open until the transaction ends.';

create function push.end_full_digests(p_digests uuid[], p_now timestamptz)
returns void
language sql
set search_path = ''
-- See push.open_digests().
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
  -- Items that others add at this very moment are not seen here, but by the next joiner.
  update push.digest_windows as w set open = false, closes_at = p_now
  where w.digest_id in (
    select o.digest_id from unnest(p_digests) as h (id)
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
$$;
comment on function push.end_full_digests(uuid[], timestamptz) is 'Closes those of these digests early that hold max_items.';

create function push.join_digests(p_items push.digest_item[], p_may_lead boolean, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
-- See push.open_digests().
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  -- One entry per message that has a policy, in the order given: which digest it belongs to, by its place below.
  v_ids uuid[];
  v_places bigint[];
  -- One entry per digest, by user and key: in one order always, so that two who open several never wait in a circle.
  v_targets push.digest_target[];
  -- Looked up by place, which takes arrays of things of one length: the planner takes an array for a few entries, and would
  -- loop over it for each of many.
  v_new_ids uuid[];
  v_digests uuid[];
  v_waiting uuid[];
  v_default_ttl integer;
begin
  select s.default_ttl into v_default_ttl from push.settings as s;
  with items as (
    select d.place, d.notification_id, d.user_id, d.digest_key, p.key as policy, p.window_length,
      dense_rank() over (order by d.user_id, d.digest_key) as target
    from unnest(p_items) with ordinality as d (notification_id, user_id, digest_key, place)
    cross join lateral (
      select o.key, o.window_length from push.digest_policies as o
      where d.digest_key = o.key or starts_with(d.digest_key, o.key || ':')
      order by octet_length(o.key) desc
      limit 1
    ) as p
  ), targets as (
    select distinct on (t.target) t.target, gen_random_uuid() as new_id, t.user_id, t.digest_key, t.policy, t.window_length
    from items as t
  )
  select i.ids, i.places, t.targets, t.new_ids
  into v_ids, v_places, v_targets, v_new_ids
  from (
    select array_agg(a.notification_id order by a.place) as ids, array_agg(a.target order by a.place) as places from items as a
  ) as i
  cross join (
    select array_agg(a.new_id order by a.target) as new_ids,
      array_agg(row(a.user_id, a.digest_key, a.policy, a.window_length, a.new_id)::push.digest_target order by a.target) as targets
    from targets as a
  ) as t;
  if v_ids is null then
    return array[]::uuid[];
  end if;
  v_digests := push.open_digests(v_targets, p_now);

  with items as (
    select i.id, d.id as digest_id, d.closes_at, make_interval(secs => greatest(coalesce(n.ttl, v_default_ttl), 60)) as lifetime,
      -- Ours is the id if it was opened here.
      p_may_lead and p.leads and d.id = v_new_ids[i.target]
        and row_number() over (partition by i.target order by i.place) = 1 as leads,
      n.send_at, n.expires_at
    from unnest(v_ids, v_places) with ordinality as i (id, target, place)
    cross join lateral (
      -- Limited, so that it stays a look-up: a table of which the planner knows little yet, it reads through instead.
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
  perform push.end_full_digests(v_digests, p_now);
  return v_waiting;
end;
$$;
comment on function push.join_digests(push.digest_item[], boolean, timestamptz) is
  'Puts each of these messages into the open digest of its user and key, which is made if need be; returns those that wait now. '
  'The others lead (only if p_may_lead), end before the summary or have no policy: they go at once.';
