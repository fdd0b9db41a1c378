-- What a claim hands out: looked up, judged once more, marked as under way, with all that a dispatcher needs to send it.

alter table push.settings add column unread_badge boolean not null default false;
comment on column push.settings.unread_badge is
  'Whether the app''s icon shows the unread count of its user with each message whose presentation says no app_badge.';

create function push.hand_out(p_dispatcher uuid, p_ids bigint[], p_sifted text[], p_settings push.settings, p_now timestamptz)
returns json[]
language plpgsql
set search_path = ''
-- See push_claim.
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set enable_material = off
set jit = off
as $$
declare
  v_found json[];
  v_ended push.ended_delivery[];
  v_tagged bigint[];
begin
  with locked as (
    -- A look-up by key for each, whatever the planner believes: offset 0 keeps the state from being looked for first.
    select l.* from unnest(p_ids) as c (id)
    cross join lateral (
      select d.id, d.host, d.subscription_id, d.notification_id, d.due_at, d.created_at, d.lease_until, d.tag, d.position
      from push.queue as d where d.id = c.id
      offset 0
      for update skip locked
    ) as l
    where l.lease_until is null
  ), looked_up as materialized (
    -- What is not to be sent any more ends here: its device is gone, its message was taken back, it has become night since it was
    -- queued, or its user wants something else now. All are looked up once, with what is to be sent.
    select c.id, c.tag, c.position, (v.verdict).state, (v.verdict).due_at, (v.verdict).code,
      s.user_id, coalesce(p.receipts, true) as receipts, s.channel, s.host, s.endpoint, s.p256dh, s.auth, s.vapid_key, s.fcm_token,
      n.id as notification_id, n.title, n.body, n.url, n.params, n.category, n.urgency, n.collapse_key, n.tag as app_tag, n.ttl, n.presentation,
      -- Only a message to a topic has more than one text.
      case when n.localized is not null then push.text_for(n.localized, push.locale_of(s.user_id)) end as own
    from locked as c
    left join public.push_subscriptions as s on s.id = c.subscription_id
    join public.push_notifications as n on n.id = c.notification_id
    -- As push.judged_devices, which would look the device up again.
    left join public.push_preferences as p on p.user_id = s.user_id
    left join public.push_device_preferences as o on o.subscription_id = s.id and o.user_id = s.user_id
    left join auth.users as u on u.id = s.user_id and (u.banned_until is not null or u.deleted_at is not null)
    cross join lateral (
      select case
        when s.id is null then row('cancelled', null, p_now, 'subscription_deleted')::push.verdict
        when n.status = 'cancelled' then row('cancelled', null, p_now, 'notification_cancelled')::push.verdict
        when c.tag is not null and push.is_superseded(s.id, c.tag, c.position, p_now) then row('cancelled', null, p_now, 'superseded')::push.verdict
        when num_nonnulls(p.user_id, o.user_id, u.id) > 0 then
          push.judge(row(s.id, p, o, u.banned_until, u.deleted_at)::push.judged_devices, n.category, n.urgency, n.expires_at, p_now)
      end offset 0
    ) as v (verdict)
    where not (
      coalesce(n.category, '') like any (p_sifted) and push.pause_on(c.host, n.category, c.due_at, c.created_at) is not null
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
    returning d.claims, d.expires_at, k.*
  ), handed as (
    select k.*, g.presentation as shown, coalesce(g.presentation -> 'app_badge' = '"unread"', p_settings.unread_badge) as wants_unread
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
          c.params, c.category, c.urgency, c.collapse_key, c.app_tag as tag, c.position, c.receipts,
          -- No service keeps anything longer; and before Postgres 17 nothing can be taken from infinity.
          least(
            coalesce(c.ttl, p_settings.default_ttl),
            ceil(extract(epoch from least(c.expires_at, p_now + interval '28 days') - p_now))
          )::integer as ttl,
          case when not c.wants_unread then c.shown
            else coalesce(c.shown, '{}') || jsonb_build_object('app_badge', (select u.number from unread as u where u.user_id = c.user_id))
          end as presentation,
          p_settings.app_url
        from handed as c
      ) as x
    ), '{}'),
    array(select row(k.id, k.state, k.code)::push.ended_delivery from looked_up as k where k.state <> 'queued'),
    array(select k.id from looked_up as k where k.state is null and k.tag is not null)
  into v_found, v_ended, v_tagged;
  if v_ended <> '{}' then
    perform push.end_each(v_ended, p_now);
  end if;
  if v_tagged <> '{}' then
    perform push.supersede_older(v_tagged, p_now);
  end if;
  return v_found;
end;
$$;
comment on function push.hand_out(uuid, bigint[], text[], push.settings, timestamptz) is
  'Gives these deliveries to a dispatcher under a lease, with all it needs to send them; ends those that are not to be sent any more.';
