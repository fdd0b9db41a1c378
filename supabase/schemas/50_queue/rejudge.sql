-- Deliveries that wait for the end of quiet hours are judged anew when their user changes preferences.

create function push.rejudge_deferred(p_user_id uuid, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- By key, however few devices the planner believes there are: see push.enqueue().
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_ended push.ended_delivery[];
  v_due integer;
begin
  with judged as (
    select d.id, v.verdict
    from public.push_subscriptions as s
    cross join lateral (
      -- Skip locked: a transaction that holds such a row is claiming, and so judging it.
      select q.id, q.notification_id from push.queue as q
      where q.subscription_id = s.id and q.lease_until is null and q.subscription_id >= '00000000-0000-0000-0000-000000000000'
        and q.last_code = 'quiet_hours'
      for update skip locked
    ) as d
    join public.push_notifications as n on n.id = d.notification_id
    -- Offset 0 keeps this from being worked out once for each field of a verdict.
    cross join lateral (
      select (
        select push.judge(w, n.category, n.urgency, n.expires_at, p_now) from push.judged_devices as w where w.subscription_id = s.id
      ) offset 0
    ) as v (verdict)
    where s.user_id = p_user_id
  ), decided as (
    update push.queue as d
    set due_at = coalesce((j.verdict).due_at, p_now), last_code = (j.verdict).code
    from judged as j
    where d.id = any (array[j.id]) and (j.verdict).finished_at is null
    returning d.last_code
  )
  select (select count(*) filter (where k.last_code is null) from decided as k), array(
    select row(j.id, (j.verdict).state, (j.verdict).code)::push.ended_delivery from judged as j where (j.verdict).finished_at is not null
  )
  into v_due, v_ended;
  perform push.end_each(v_ended, p_now);
  if v_due > 0 then
    perform push.wake(p_now);
  end if;
  return v_due;
end;
$$;
comment on function push.rejudge_deferred(uuid, timestamptz) is
  'Judges anew what waits for the end of a user''s quiet hours; returns how many deliveries are due at once now.';

create function push.rejudge_on_preferences()
returns trigger
language plpgsql
-- Definer: the user who changes preferences has no access to the queue.
security definer
set search_path = ''
as $$
begin
  if tg_op <> 'INSERT' then
    perform push.rejudge_deferred(old.user_id);
  end if;
  if tg_op = 'INSERT' or (tg_op = 'UPDATE' and new.user_id <> old.user_id) then
    perform push.rejudge_deferred(new.user_id);
  end if;
  return null;
end;
$$;
comment on function push.rejudge_on_preferences() is 'Has changed preferences count for what waits already.';

create trigger push_preferences_rejudge
after insert or update or delete on public.push_preferences
for each row execute function push.rejudge_on_preferences();

create trigger push_device_preferences_rejudge
after insert or update or delete on public.push_device_preferences
for each row execute function push.rejudge_on_preferences();
