-- One round of a claim: what of the queue a dispatcher gets, shared fairly among hosts and users.

alter table push.settings add column unread_badge boolean not null default false;
comment on column push.settings.unread_badge is
  'Whether the app''s icon shows the unread count of its user with each message whose presentation says no app_badge.';

create type push.claim_round as (found json[], served_users uuid[], probed_users jsonb, hides boolean);
comment on type push.claim_round is
  'One look of a claim: what is handed out, users who have their share with it, users by paused push service that are probed with it, and '
  'whether what may not go may hide something.';

create function push.claim_some(
  p_dispatcher uuid,
  p_limit integer,
  p_look integer,
  p_busy_hosts text[],
  p_busy_users uuid[],
  p_sifted text[],
  p_settings push.settings,
  p_last boolean,
  p_now timestamptz
)
returns push.claim_round
language plpgsql
set search_path = ''
-- See push_claim. Without joins by hash and merge, or a table that was analysed while a backlog waited is read whole.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  -- Of one user at one push service. Twenty devices are reached at once, and five users whose devices never answer leave
  -- half of the room to others: beyond that, places are counted by user.
  c_share constant integer := 25;
  -- Users that pass together as probes of a paused push service.
  c_probes constant integer := 3;
  v_round push.claim_round;
  v_ended push.ended_delivery[];
  v_tagged bigint[];
begin
  with open_hosts as (
    select h.origin, h.paused_at is not null as paused, h.probed_users, h.resumed_at, m.most, greatest(m.most - u.under_way, 0) as room,
      u.under_way * 2 > m.most as crowded
    from push.hosts as h
    cross join lateral (select least(h.max_in_flight, coalesce(h.slowed_to, h.max_in_flight))) as m (most)
    cross join lateral (
      select count(*) from push.queue as d
      where d.host = h.origin and d.lease_until >= '-infinity' and d.lease_until > p_now
    ) as u (under_way)
    where (h.paused_at is null or h.probe_at <= p_now) and h.origin <> all (p_busy_hosts)
  ), held as materialized (
    -- The first half of the places is not shared by user, since counting would cost every claim. The other half is.
    select h.origin, s.user_id, count(*) as number
    from open_hosts as h
    join push.queue as d on d.host = h.origin and d.lease_until >= '-infinity' and d.lease_until > p_now
    join public.push_subscriptions as s on s.id = d.subscription_id
    where h.crowded
    group by h.origin, s.user_id
  ), waiting as (
    -- One short range scan per host, so that a backlog of one service never hides the others. Nothing is locked yet: most
    -- of what is looked at may have to wait.
    select h.origin, h.paused, h.room, h.probed_users, picked.id, picked.due_at, picked.subscription_id, picked.notification_id,
      picked.created_at, s.user_id, coalesce(s.last_used_at >= s.updated_at, false) as proven,
      -- A failure of the future was before the clock was set back, and one before the service came back was the service's.
      case
        when s.retry_at > p_now and s.failed_at <= p_now + interval '1 minute' and (h.resumed_at is null or s.failed_at > h.resumed_at)
          then s.retry_at
      end as resting_until,
      least(c_share, greatest(h.most / case when h.crowded then 8 else 4 end, 1))
        - case when h.crowded then coalesce((
          select k.number from held as k where k.origin = h.origin and k.user_id = s.user_id
        ), 0) else 0 end as share
    from open_hosts as h
    cross join lateral (
      select d.id, d.due_at, d.subscription_id, d.notification_id, d.created_at
      from push.queue as d
      where d.host = h.origin and d.lease_until is null and d.due_at >= '-infinity' and d.due_at <= p_now and d.expires_at > p_now
      order by d.due_at, d.id
      limit case when h.room > 0 then greatest(p_look, least(h.room, p_limit)) else 0 end
    ) as picked
    left join public.push_subscriptions as s on s.id = picked.subscription_id
  ), ranked as (
    select w.*,
      count(*) over (partition by w.origin) >= greatest(p_look, least(w.room, p_limit)) as full,
      row_number() over (partition by w.origin, w.user_id, w.resting_until is null order by w.due_at, w.id) as of_user
    from waiting as w
  ), judged as (
    select r.*,
      r.resting_until is null and (
        r.user_id is null
        or (r.user_id <> all (p_busy_users) and r.of_user <= case when r.paused then 1 else r.share end)
      ) as may_go
    from ranked as r
  ), ordered as (
    select j.id, j.origin, j.paused, j.room, j.due_at, j.user_id, j.of_user = j.share as served, j.subscription_id, j.notification_id,
      j.created_at, j.hides,
      row_number() over (
        partition by j.origin
        order by
          -- Probes: users who were no probe of this pause before others, devices that worked before others, and else by lot.
          case when j.paused then (j.user_id = any (j.probed_users))::integer * 2 + (not j.proven)::integer end,
          case when j.paused then random() end,
          j.due_at, j.id
      ) as of_host
    from (
      -- Whether the next look sees further.
      select g.*, g.full and bool_or(not g.may_go) over (partition by g.origin) and not p_last as hides from judged as g
    ) as j
    where j.may_go
  ), chosen as (
    -- The first of each service, then the second of each: an old backlog of one does not keep another's fresh messages waiting.
    select t.id, t.origin, t.paused, t.user_id, t.served, t.subscription_id, t.notification_id,
      t.due_at, t.created_at
    from ordered as t
    -- Probes are chosen from all that can be seen.
    where case when t.paused then t.of_host <= c_probes and not t.hides else t.of_host <= t.room end
    order by t.of_host, t.due_at, t.id
    limit p_limit
  ), locked as (
    -- A look-up by key for each, whatever the planner believes: offset 0 keeps the state from being looked for first.
    select c.*, l.tag, l.position
    from chosen as c
    cross join lateral (
      select d.lease_until, d.tag, d.position from push.queue as d where d.id = c.id offset 0 for update skip locked
    ) as l
    where l.lease_until is null
  ), put_off as (
    -- A device that is in its own backoff; and what one user has beyond the share, where even the last look could not see
    -- past it: for as long as it has waited, so that a backlog is written a few times and not with each claim.
    update push.queue as d
    set due_at = case when d.lease_until is null then coalesce(
      least(j.resting_until, greatest(d.expires_at - interval '1 second', p_now)),
      p_now + greatest(least(p_now - j.created_at, interval '30 seconds'), interval '1 second')
    ) else d.due_at end
    from judged as j
    where d.id = any (array[j.id]) and not j.may_go and (j.resting_until is not null or (j.full and p_last))
      -- With another moment it would look as if it had become due after what is discarded.
      and (p_sifted = '{}' or not push.is_held_back(d.host, d.notification_id, d.due_at, d.created_at))
  ), looked_up as materialized (
    -- A delivery whose device is gone, or whose notification was taken back, ends here and is never sent. Both are
    -- looked up once, here, with all that is to be sent. Preferences are judged again, because it may have become night since
    -- it was queued, or its user may want something else now.
    select c.id, c.tag, c.position, (v.verdict).state, (v.verdict).due_at, (v.verdict).code,
      s.user_id, s.channel, s.host, s.endpoint, s.p256dh, s.auth, s.vapid_key, s.fcm_token,
      n.id as notification_id, n.title, n.body, n.url, n.params, n.category, n.urgency, n.collapse_key, n.tag as app_tag, n.ttl, n.presentation,
      -- Only a message to a topic has more than one text.
      case when n.localized is not null then push.text_for(n.localized, push.locale_of(s.user_id)) end as own
    from locked as c
    left join public.push_subscriptions as s on s.id = c.subscription_id
    join public.push_notifications as n on n.id = c.notification_id
    cross join lateral (
      select case
        when s.id is null then row('cancelled', null, p_now, 'subscription_deleted')::push.verdict
        when n.status = 'cancelled' then row('cancelled', null, p_now, 'notification_cancelled')::push.verdict
        when c.tag is not null and push.is_superseded(s.id, c.tag, c.position, p_now) then row('cancelled', null, p_now, 'superseded')::push.verdict
        else (
          select push.judge(w, n.category, n.urgency, n.expires_at, p_now) from push.judged_devices as w where w.subscription_id = s.id
        )
      end offset 0
    ) as v (verdict)
    where not (
      coalesce(n.category, '') like any (p_sifted) and push.pause_on(c.origin, n.category, c.due_at, c.created_at) is not null
    )
  ), claimed as (
    update push.queue as d
    set -- One that waits on has not been handed out: a late report of who had it before still counts.
        claims = d.claims + (k.state is null)::integer,
        claimed_at = p_now,
        dispatcher_id = p_dispatcher,
        due_at = coalesce(k.due_at, d.due_at),
        lease_until = case when k.state is null then p_now + p_settings.delivery_lease end,
        last_code = coalesce(k.code, d.last_code)
    from looked_up as k
    where d.id = any (array[k.id]) and (k.state is null or k.state = 'queued')
    returning d.id, d.claims, d.expires_at, k.state, k.user_id, k.channel, k.host, k.endpoint, k.p256dh, k.auth, k.vapid_key, k.fcm_token,
      k.notification_id, k.title, k.body, k.url, k.params, k.category, k.urgency, k.collapse_key, k.app_tag, k.ttl, k.own, k.position,
      k.presentation
  ), handed as (
    select k.*, g.presentation as shown,
      coalesce(g.presentation -> 'app_badge' = '"unread"', p_settings.unread_badge) as wants_unread
    from claimed as k
    cross join lateral (
      select case when k.own is null then k.presentation else nullif(k.own -> 'presentation', 'null') end as presentation
    ) as g
    where k.state is null
  ), unread as materialized (
    -- Once for each user, and not for each device.
    select w.user_id, push.unread_count(w.user_id, 1000) as number
    from (select distinct h.user_id from handed as h where h.wants_unread) as w
  )
  select
    coalesce((
      select array_agg(row_to_json(x) order by x.delivery_id)
      from (
        select c.id as delivery_id, c.claims as claim_number, c.notification_id, c.user_id, c.channel, c.host, c.endpoint, c.p256dh,
          c.auth, c.vapid_key, c.fcm_token,
          case when c.own is null then c.title else c.own ->> 'title' end as title,
          case when c.own is null then c.body else c.own ->> 'body' end as body,
          case when c.own is null then c.url else c.own ->> 'url' end as url,
          c.params, c.category, c.urgency,
          c.collapse_key, c.app_tag as tag, c.position,
          -- No service keeps anything longer; and before Postgres 17 nothing can be taken from infinity.
          least(
            coalesce(c.ttl, p_settings.default_ttl),
            ceil(extract(epoch from least(c.expires_at, p_now + interval '28 days') - p_now))
          )::integer as ttl,
          case when c.wants_unread
            then coalesce(c.shown, '{}') || jsonb_build_object('app_badge', (select u.number from unread as u where u.user_id = c.user_id))
            else c.shown
          end as presentation,
          p_settings.app_url
        from handed as c
      ) as x
    ), '{}'),
    array(select c.user_id from chosen as c where c.served and c.user_id is not null),
    (
      select jsonb_object_agg(p.origin, p.users)
      from (select c.origin, array_agg(c.user_id) as users from chosen as c where c.paused group by c.origin) as p
    ),
    coalesce((select bool_or(j.full and not j.may_go) from judged as j), false),
    array(select row(k.id, k.state, k.code)::push.ended_delivery from looked_up as k where k.state <> 'queued'),
    array(select k.id from looked_up as k where k.state is null and k.tag is not null)
  into v_round.found, v_round.served_users, v_round.probed_users, v_round.hides, v_ended, v_tagged;
  if v_ended <> '{}' then
    perform push.end_each(v_ended, p_now);
  end if;
  if v_tagged <> '{}' then
    perform push.supersede_older(v_tagged, p_now);
  end if;
  return v_round;
end;
$$;
comment on function push.claim_some(uuid, integer, integer, text[], uuid[], text[], push.settings, boolean, timestamptz) is
  'One look of push_claim: takes what is due and may go, in turns over push services and in shares over users, and puts off what '
  'may not go and stands in the way.';
