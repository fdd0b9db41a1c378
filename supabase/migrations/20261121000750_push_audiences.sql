-- Supapush: messages to a topic, expanded in chunks outside the transaction that wrote them.
--
-- Whoever notifies a topic writes one row. Dispatchers that find little to send, and the tick, then walk its members by
-- user id, a chunk per transaction: where the next one starts is written with the deliveries of the one before, so a
-- crash loses and repeats nothing. While a chunk waits to be sent no other is made: a message to a million never stands
-- in the queue as a million rows in front of everybody else's.

alter table push.settings
  add column expansion_chunk integer not null default 1000,
  add constraint settings_expansion_chunk check (expansion_chunk between 1 and 10000);
comment on column push.settings.expansion_chunk is 'Members of a topic for whom deliveries are made in one transaction.';

create table push.expansions (
  notification_id uuid not null,
  next_id uuid not null default '00000000-0000-0000-0000-000000000000',
  members bigint not null default 0,
  deliveries bigint not null default 0,
  started_at timestamptz not null default clock_timestamp(),
  worked_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  constraint expansions_pkey primary key (notification_id),
  constraint expansions_notification_id_fkey foreign key (notification_id)
    references public.push_notifications (id) on delete cascade
);
comment on table push.expansions is
  'How far the message to a topic has got. Its row in push_notifications is the lock: whoever works on it holds that one.';
comment on column push.expansions.next_id is
  'Where the next chunk starts: at a member''s user id; once cancelled, at a subscription id among its deliveries.';
comment on column push.expansions.members is 'Members walked so far.';
comment on column push.expansions.deliveries is 'Deliveries made so far.';
comment on column push.expansions.started_at is 'Members of this moment are notified; who joins later is not.';
comment on column push.expansions.worked_at is 'Last chunk. Whose was longest ago comes next, so that topics take turns.';

create index expansions_open_idx on push.expansions (worked_at, notification_id) where finished_at is null;

alter table push.expansions enable row level security;
create policy expansions_nobody on push.expansions for all to public using (false);

-- Rows are only ever added: a counter that dispatchers updated would be a lock they queue for.
create table push.delivery_counts (
  notification_id uuid not null,
  id bigint not null generated always as identity,
  state text not null,
  deliveries bigint not null,
  constraint delivery_counts_pkey primary key (notification_id, id),
  constraint delivery_counts_notification_id_fkey foreign key (notification_id)
    references push.expansions (notification_id) on delete cascade
);
comment on table push.delivery_counts is
  'What became of deliveries to a topic, a row per batch and state. Read instead of counting a million deliveries, which may be gone.';

alter table push.delivery_counts enable row level security;
create policy delivery_counts_nobody on push.delivery_counts for all to public using (false);

create function push.count_finished_deliveries()
returns trigger
language plpgsql
-- Definer: fires for whoever ends a delivery, such as a user who deletes a device.
security definer
set search_path = ''
as $$
begin
  -- First whether there is anything to count: after most claims and reports there is not, and this runs after each.
  if not exists (
    select from push_changed_deliveries as d
    join push.expansions as e on e.notification_id = d.notification_id
    where d.finished_at is not null
  ) then
    return null;
  end if;
  insert into push.delivery_counts (notification_id, state, deliveries)
  select d.notification_id, d.state, count(*)
  from push_changed_deliveries as d
  join push_former_deliveries as f on f.id = d.id
  join push.expansions as e on e.notification_id = d.notification_id
  where d.finished_at is not null and f.finished_at is null
  group by d.notification_id, d.state;
  return null;
end;
$$;
comment on function push.count_finished_deliveries() is 'Notes what became of deliveries to a topic, once per statement.';

create trigger deliveries_count
after update on push.deliveries
referencing old table as push_former_deliveries new table as push_changed_deliveries
for each statement execute function push.count_finished_deliveries();

-- expand -------------------------------------------------------------------------------------------------------

create function push.begin_expansion()
returns trigger
language plpgsql
-- Definer: whoever inserts a notification has no access to the queue.
security definer
set search_path = ''
as $$
begin
  insert into push.expansions (notification_id) values (new.id) on conflict (notification_id) do nothing;
  if not push.is_expansion_held(new.id) then
    perform push.wake();
  end if;
  return null;
end;
$$;
comment on function push.begin_expansion() is 'Leaves the members of a topic to dispatchers, and makes sure that there is one.';

create trigger push_notifications_expand_new
after insert on public.push_notifications
for each row when (new.status = 'expanding')
execute function push.begin_expansion();

create trigger push_notifications_expand_due
after update of status on public.push_notifications
for each row when (new.status = 'expanding' and old.status = 'scheduled')
execute function push.begin_expansion();

create function push.expand_chunk(p_notification_id uuid, p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
-- An application's open transaction may hold a member's limit; dispatchers have other work.
set lock_timeout = '500ms'
as $$
declare
  v_notification public.push_notifications;
  v_expansion push.expansions;
  v_limited uuid[] := array[]::uuid[];
  v_reasons text[] := array[]::text[];
  v_members bigint;
  v_deliveries bigint;
  v_next uuid;
begin
  select n.* into v_notification from public.push_notifications as n where n.id = p_notification_id;
  select e.* into v_expansion from push.expansions as e where e.notification_id = p_notification_id;
  if v_notification.expires_at > p_now then
    if push.is_limited(v_notification.category) then
      -- Whom it does not reach anyway, for want of a device or as preferences have it, it takes no place.
      select coalesce(array_agg(m.user_id order by m.user_id), '{}') into v_limited
      from (
        select t.user_id, t.created_at from public.push_topic_members as t
        where t.topic = v_notification.audience_topic and t.user_id >= v_expansion.next_id
        order by t.user_id
        limit p_limit
      ) as m
      where m.created_at <= v_expansion.started_at
        and exists (select from public.push_subscriptions as s where s.user_id = m.user_id)
        and push.is_wanted(m.user_id, v_notification.category, p_now);
      v_reasons := push.admit(
        v_limited, array_fill(v_notification.category, array[cardinality(v_limited)]), false, p_now
      );
    end if;

    with page as (
      select m.user_id, m.created_at, row_number() over (order by m.user_id) as place
      from (
        select t.user_id, t.created_at from public.push_topic_members as t
        where t.topic = v_notification.audience_topic and t.user_id >= v_expansion.next_id
        order by t.user_id
        limit p_limit + 1
      ) as m
    ), queued as (
      -- Due now, not at send_at: messages that others wrote meanwhile are older than this chunk and go before it.
      insert into push.deliveries (
        notification_id, subscription_id, host, due_at, expires_at, state, finished_at, last_code
      )
      select p_notification_id, s.id, s.host, coalesce((v.verdict).due_at, p_now), v_notification.expires_at,
        case when r.reason is null then coalesce((v.verdict).state, 'queued') else 'suppressed' end,
        case when r.reason is null then (v.verdict).finished_at else p_now end, coalesce(r.reason, (v.verdict).code)
      from page as m
      join public.push_subscriptions as s on s.user_id = m.user_id
      left join unnest(v_limited, v_reasons) as r (user_id, reason) on r.user_id = m.user_id
      cross join lateral (
        select (
          select push.judge(p, o, v_notification.category, v_notification.urgency, v_notification.expires_at, p_now, u.banned_until, u.deleted_at)
          from (values (s.id)) as x (subscription_id)
          left join public.push_preferences as p on p.user_id = s.user_id
          left join public.push_device_preferences as o on o.subscription_id = x.subscription_id and o.user_id = s.user_id
          left join auth.users as u on u.id = s.user_id and (u.banned_until > p_now or u.deleted_at is not null)
          where p.user_id is not null or o.user_id is not null or u.id is not null
        ) offset 0
      ) as v (verdict)
      where m.place <= p_limit and m.created_at <= v_expansion.started_at
      on conflict (notification_id, subscription_id) do nothing
      returning deliveries.state
    ), counted as (
      -- Those that preferences and limits ended at once; the trigger above counts what changes later.
      insert into push.delivery_counts (notification_id, state, deliveries)
      select p_notification_id, q.state, count(*) from queued as q where q.state <> 'queued' group by q.state
    )
    select (select count(*) from page as p where p.place <= p_limit),
      (select count(*) from queued),
      (select p.user_id from page as p where p.place > p_limit)
    into v_members, v_deliveries, v_next;
  end if;

  update push.expansions as e
  set members = e.members + coalesce(v_members, 0),
      deliveries = e.deliveries + coalesce(v_deliveries, 0),
      next_id = coalesce(v_next, e.next_id),
      worked_at = p_now,
      finished_at = case when v_next is null then p_now end
  where e.notification_id = p_notification_id;
  if v_next is null then
    update public.push_notifications as n set status = 'queued' where n.id = p_notification_id;
  end if;
end;
$$;
comment on function push.expand_chunk(uuid, integer, timestamptz) is
  'Makes the deliveries of a topic''s next members. The caller holds the notification''s row.';

create function push.withdraw_chunk(p_notification_id uuid, p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_next uuid;
begin
  with page as (
    select w.id, w.subscription_id, row_number() over (order by w.subscription_id) as place
    from (
      select d.id, d.subscription_id from push.deliveries as d
      where d.notification_id = p_notification_id
        and d.subscription_id >= (select e.next_id from push.expansions as e where e.notification_id = p_notification_id)
      order by d.subscription_id
      limit p_limit + 1
    ) as w
  ), withdrawn as (
    -- Skip locked: such a one is being claimed or reported. If it comes back to the queue, the next claim ends it.
    update push.deliveries as d
    set state = 'cancelled', finished_at = p_now, last_code = 'notification_cancelled'
    where d.id in (
      select q.id from push.deliveries as q
      join page as p on p.id = q.id
      where p.place <= p_limit and q.state = 'queued'
      for update of q skip locked
    )
  )
  select p.subscription_id into v_next from page as p where p.place > p_limit;

  update push.expansions as e
  set next_id = coalesce(v_next, e.next_id), worked_at = p_now, finished_at = case when v_next is null then p_now end
  where e.notification_id = p_notification_id;
end;
$$;
comment on function push.withdraw_chunk(uuid, integer, timestamptz) is
  'Takes back the next of a cancelled topic message''s deliveries. The caller holds the notification''s row.';

create function push.expand(p_limit integer default null, p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
  v_status text;
  v_limit integer;
begin
  select n.id, n.status into v_id, v_status
  from push.expansions as e
  join public.push_notifications as n on n.id = e.notification_id
  where e.finished_at is null and not push.is_expansion_held(e.notification_id, p_now)
  order by e.worked_at, e.notification_id
  limit 1
  -- The one lock of an expansion, which cancelling waits for; rows that refer to it may be added meanwhile.
  for no key update of n skip locked;
  if not found then
    return false;
  end if;
  if exists (select from push.expansions as e where e.notification_id = v_id and e.finished_at is not null) then
    -- Somebody finished it between our snapshot and our lock.
    return true;
  end if;

  select least(greatest(coalesce(p_limit, s.expansion_chunk), 1), 10000) into v_limit from push.settings as s;
  begin
    if v_status = 'expanding' then
      perform push.expand_chunk(v_id, v_limit, p_now);
    elsif v_status = 'cancelled' then
      perform push.withdraw_chunk(v_id, v_limit * 10, p_now);
    else
      update push.expansions as e set finished_at = p_now where e.notification_id = v_id;
    end if;
  exception when lock_not_available then
    -- A member's limit is in somebody's hands: this one goes to the end of the line.
    update push.expansions as e set worked_at = p_now where e.notification_id = v_id;
    return false;
  when others then
    -- The tick and the dispatchers have other work: this one goes to the end of the line, and somebody has to look.
    update push.expansions as e set worked_at = p_now where e.notification_id = v_id;
    perform push.raise_alarm('expansion_failed', v_id::text, 'A message to a topic could not be expanded: ' || sqlerrm, p_now);
    return false;
  end;
  perform push.resolve_alarm('expansion_failed', v_id::text, p_now);
  return true;
end;
$$;
comment on function push.expand(integer, timestamptz) is
  'Makes the deliveries of the next members of one topic message, or takes back those of a cancelled one; false when there is none.';

create function public.push_expand(p_limit integer default null, p_now timestamptz default clock_timestamp())
returns boolean
language sql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  -- While something waits that a push service has no room for, more of it would only stand in front of others.
  select not push.has_due(p_now) and push.expand(p_limit, p_now);
$$;
comment on function public.push_expand(integer, timestamptz) is
  'Works on one chunk of a message to a topic; for dispatchers whose claim left room. False: there was nothing to do. Service role only.';

create function push.has_work(p_now timestamptz default clock_timestamp())
returns boolean
language sql
stable
set search_path = ''
as $$
  select push.has_due(p_now)
    or exists (select from push.expansions as e where e.finished_at is null and not push.is_expansion_held(e.notification_id, p_now))
    or push.pause_to_return() is not null;
$$;
comment on function push.has_work(timestamptz) is 'Whether a dispatcher would find anything to send, to expand, or to return to the queue after a pause.';

-- cancel -------------------------------------------------------------------------------------------------------

create function push.begin_withdrawal()
returns trigger
language plpgsql
-- Definer: the service that cancels a notification has no access to the queue.
security definer
set search_path = ''
as $$
begin
  update push.expansions as e
  set finished_at = null, next_id = '00000000-0000-0000-0000-000000000000'
  where e.notification_id = new.id;
  return null;
end;
$$;
comment on function push.begin_withdrawal() is
  'Stops the expansion of a cancelled message to a topic and has its deliveries taken back, in chunks too.';

create trigger push_notifications_withdraw
after update of status on public.push_notifications
for each row when (new.status = 'cancelled' and old.status <> 'cancelled' and new.audience_topic is not null)
execute function push.begin_withdrawal();

create function push.cancel(p_notification_id uuid, p_now timestamptz default clock_timestamp())
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_cancelled bigint;
begin
  -- Waits for a chunk that is just being made.
  update public.push_notifications as n set status = 'cancelled'
  where n.id = p_notification_id and n.status <> 'cancelled';
  perform from public.push_notifications as n where n.id = p_notification_id for no key update;
  if not found then
    perform push.refuse(404, 'notification_unknown', 'No notification has this id.',
      'Use the id that push.notify() or push.notify_topic() returned.');
  end if;
  if exists (select from push.expansions as e where e.notification_id = p_notification_id and e.finished_at is null) then
    perform push.withdraw_chunk(p_notification_id, 10000, p_now);
  end if;
  select p.cancelled into v_cancelled from push.progress(p_notification_id) as p;
  return v_cancelled;
end;
$$;
comment on function push.cancel(uuid, timestamptz) is
  'Takes a notification back: nothing more of it is expanded or sent. Returns how many deliveries were cancelled so far; of more than '
  '10,000 the rest follows in chunks. Calling it again changes nothing but that number.';

create function public.push_cancel(p_notification_id uuid)
returns bigint
language sql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  select push.cancel(p_notification_id);
$$;
comment on function public.push_cancel(uuid) is
  'push.cancel() for servers: supabase.rpc(''push_cancel'', { p_notification_id }) with the secret key. Service role only.';

-- notify -------------------------------------------------------------------------------------------------------

create function push.notify_topic(
  p_audience_topic text,
  p_title text default null,
  p_body text default null,
  p_url text default null,
  p_params jsonb default '{}',
  p_category text default null,
  p_urgency text default null,
  p_ttl integer default null,
  p_topic text default null,
  p_send_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_idempotency_key text default null,
  p_tag text default null,
  p_template text default null,
  p_presentation jsonb default null,
  p_digest_key text default null
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
  v_same boolean;
begin
  if not exists (select from public.push_topics as t where t.key = p_audience_topic) then
    perform push.refuse(404, 'topic_unknown', 'No topic has this key.', 'Use the key of a row in push_topics.');
  end if;
  insert into public.push_notifications (
    audience_topic, title, body, url, params, category, urgency, ttl, topic, tag, send_at, expires_at, idempotency_key, template,
    presentation, digest_key
  )
  values (
    p_audience_topic, coalesce(p_title, ''), p_body, p_url, coalesce(p_params, '{}'), p_category, coalesce(p_urgency, ''), p_ttl,
    p_topic, p_tag, coalesce(p_send_at, now()), p_expires_at, p_idempotency_key, p_template, p_presentation, p_digest_key
  )
  on conflict do nothing
  returning push_notifications.id into v_id;
  if v_id is not null then
    return v_id;
  end if;

  select n.id, push.says_the_same(n, p_title, p_body, p_url, p_params, p_category, p_urgency, p_ttl, p_topic, p_tag, p_template,
    p_presentation, p_digest_key)
  into v_id, v_same
  from public.push_notifications as n
  where n.audience_topic = p_audience_topic and n.idempotency_key = p_idempotency_key;
  if not v_same then
    perform push.refuse(409, 'idempotency_conflict',
      'This idempotency key was already used for another message to this topic.',
      'Use a new key for a new message.');
  end if;
  return v_id;
end;
$$;
comment on function push.notify_topic(
  text, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) is
  'Notifies the members of a topic (p_audience_topic: push_topics.key; p_topic is the header of RFC 8030). Writes one row; the members '
  'are expanded after commit, in chunks. Returns the notification''s id, the same one for a repeated idempotency key.';

create function public.push_notify_topic(
  p_audience_topic text,
  p_title text default null,
  p_body text default null,
  p_url text default null,
  p_params jsonb default '{}',
  p_category text default null,
  p_urgency text default null,
  p_ttl integer default null,
  p_topic text default null,
  p_send_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_idempotency_key text default null,
  p_tag text default null,
  p_template text default null,
  p_presentation jsonb default null,
  p_digest_key text default null
)
returns uuid
language sql
-- Definer: see push_notify.
security definer
set search_path = ''
as $$
  select push.notify_topic(
    p_audience_topic, p_title, p_body, p_url, p_params, p_category, p_urgency, p_ttl, p_topic, p_send_at, p_expires_at,
    p_idempotency_key, p_tag, p_template, p_presentation, p_digest_key
  );
$$;
comment on function public.push_notify_topic(
  text, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) is
  'push.notify_topic() for servers: supabase.rpc(''push_notify_topic'', { p_audience_topic, p_title, … }) with the secret key. Service role only.';

revoke all on all functions in schema push from public;
revoke all on function public.push_expand(integer, timestamptz) from public, anon, authenticated;
revoke all on function public.push_cancel(uuid) from public, anon, authenticated;
revoke all on function public.push_notify_topic(
  text, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) from public, anon, authenticated;
grant execute on function public.push_expand(integer, timestamptz) to service_role;
grant execute on function public.push_cancel(uuid) to service_role;
grant execute on function public.push_notify_topic(
  text, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) to service_role;
