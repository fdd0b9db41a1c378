-- The verdict: whether one message may go to one device now, later, or not at all.

create function push.category_of(p_category text)
returns public.push_categories
language sql
stable
set search_path = ''
as $$
  select c.* from public.push_categories as c
  where p_category = c.key or starts_with(p_category, c.key || ':')
  order by length(c.key) desc
  limit 1;
$$;
comment on function push.category_of(text) is
  'The row that applies to a category: its own, or that of the longest category above it; null when there is none.';

create type push.verdict as (state text, due_at timestamptz, finished_at timestamptz, code text);
comment on type push.verdict is 'What becomes of a delivery instead of being sent, when (null: as it was), and why: push.deliveries.last_code.';

-- A device is looked up here by its key, and only what is found is judged: users without preferences who are not banned cost no
-- judgement. push.enqueue() and push.hand_out() have the device at hand, and join the same by themselves: change all three together.
create view push.judged_devices
with (security_invoker = true)
as
select s.id as subscription_id, p as preferences, o as device_preferences, u.banned_until, u.deleted_at
from public.push_subscriptions as s
left join public.push_preferences as p on p.user_id = s.user_id
left join public.push_device_preferences as o on o.subscription_id = s.id and o.user_id = s.user_id
left join auth.users as u on u.id = s.user_id and (u.banned_until is not null or u.deleted_at is not null)
where p.user_id is not null or o.user_id is not null or u.id is not null;
comment on view push.judged_devices is
  'Devices for which messages have to be judged, by what: preferences of their user or of their own, a ban, a soft deletion.';

create function push.judge(
  p_device push.judged_devices,
  p_category text,
  p_urgency text,
  p_expires_at timestamptz,
  p_at timestamptz
)
returns push.verdict
language plpgsql
stable
set search_path = ''
as $$
declare
  v_user public.push_preferences := p_device.preferences;
  v_own public.push_device_preferences := p_device.device_preferences;
  v_until timestamptz;
  v_category public.push_categories;
  v_pass text[];
begin
  -- A user who may not sign in gets no push, and not all of them at once when a ban ends: the messages are in the inbox.
  if p_device.deleted_at is not null then
    return row('suppressed', null, p_at, 'user_deleted')::push.verdict;
  end if;
  if p_device.banned_until > p_at then
    return row('suppressed', null, p_at, 'user_banned')::push.verdict;
  end if;
  if not coalesce(v_own.enabled, v_user.enabled, true) then
    return row('suppressed', null, p_at, case when v_own.enabled is null then 'disabled' else 'device_disabled' end)::push.verdict;
  end if;
  -- A category that the user muted stays muted, even if the project marks it as critical.
  if exists (
    select from unnest(coalesce(v_own.muted_categories, v_user.muted_categories)) as m (key)
    where p_category = m.key or starts_with(p_category, m.key || ':')
  ) then
    return row('suppressed', null, p_at, case when v_own.muted_categories is null then 'muted' else 'device_muted' end)::push.verdict;
  end if;

  v_user.timezone := coalesce(v_own.timezone, v_user.timezone);
  if v_own.quiet_from is not null or v_own.quiet_by_weekday is not null then
    v_user.quiet_from := v_own.quiet_from;
    v_user.quiet_until := v_own.quiet_until;
    v_user.quiet_by_weekday := v_own.quiet_by_weekday;
  end if;
  v_until := push.quiet_until(v_user, p_at);
  if v_until is null then
    return null;
  end if;

  select s.quiet_hours_pass into v_pass from push.settings as s;
  v_category := push.category_of(p_category);
  if (p_urgency = 'high' and 'high' = any (v_pass)) or (v_category.critical and 'critical' = any (v_pass)) then
    return null;
  end if;
  if v_category.quiet_hours = 'drop' then
    return row('suppressed', null, p_at, 'quiet_hours')::push.verdict;
  end if;
  if v_until >= p_expires_at then
    return row('expired', null, p_at, 'quiet_hours')::push.verdict;
  end if;
  return row('queued', v_until, null, 'quiet_hours')::push.verdict;
end;
$$;
comment on function push.judge(push.judged_devices, text, text, timestamptz, timestamptz) is
  'What preferences, a ban (auth.users.banned_until) or a soft deletion (deleted_at) make of a message of this category and urgency to one '
  'device at this moment; null: it may ring.';
