-- Whether a user wants messages of a category at all: what is muted joins no digest and counts against no limit.

create function push.is_wanted(p_user_id uuid, p_category text, p_now timestamptz)
returns boolean
language plpgsql
stable
set search_path = ''
-- By key, however few devices the planner believes there are: see push.open_digests().
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
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
    where s.user_id = p_user_id and coalesce((
      select (push.judge(w, p_category, 'normal', 'infinity', p_now)).code from push.judged_devices as w where w.subscription_id = s.id
    ), 'quiet_hours') = 'quiet_hours'
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
