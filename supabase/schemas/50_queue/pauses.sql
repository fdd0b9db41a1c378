-- The emergency stop. push.pause() holds back the project, a category or a push service; push.resume() lets it go on.

create function push.waiting_for(p_pause push.pauses, p_now timestamptz)
returns bigint
language sql
stable
set search_path = ''
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
as $$
  -- Counted up to a limit, along the indexes by which it is found.
  select case
    when (p_pause).category is not null then (
      select count(*) from (
        select from push.queue as d
        where d.lease_until is null and d.parked_by = (p_pause).id and d.expires_at > p_now
        limit 100000
      ) as w
    )
    else (
      select count(*) from push.queue_lanes(p_now) as l
      cross join lateral (
        select from push.queue as d
        where d.host = l.host and d.lane = l.lane and d.lease_until is null and d.due_at >= '-infinity' and d.due_at >= l.due_from
          and d.due_at <= p_now and d.expires_at > p_now
        order by d.due_at, d.id
        limit 100000
      ) as w
      where (p_pause).host is null or (p_pause).host = l.host
    )
  end;
$$;
comment on function push.waiting_for(push.pauses, timestamptz) is
  'How many deliveries are due and held back by a pause, counted up to 100,000 for each lane of a push service.';

create function push.describe_pause(p_pause push.pauses, p_now timestamptz)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'category', (p_pause).category, 'host', (p_pause).host, 'reason', (p_pause).reason, 'paused_at', (p_pause).paused_at,
    'resumed_at', (p_pause).resumed_at, 'discard_before', (p_pause).discard_before, 'discarded', (p_pause).discarded,
    'waiting', push.waiting_for(p_pause, p_now)
  );
$$;
comment on function push.describe_pause(push.pauses, timestamptz) is 'A pause as operators see it, with what waits for its end.';

create function push.pause_health(p_now timestamptz)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(push.describe_pause(p, p_now) order by p.id), '[]')
  from push.pauses as p
  where p.cleared_at is null or p.id = (select push.pause_to_return());
$$;
comment on function push.pause_health(timestamptz) is 'Pauses that last, and those whose end is still being worked on.';

create function push.is_known_category(p_category text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from public.push_categories as c
    where c.key = p_category or starts_with(c.key, p_category || ':') or starts_with(p_category, c.key || ':')
  ) or exists (
    -- Messages name categories freely. The newest of them are enough, and found by index.
    select from (
      select n.category from public.push_notifications as n order by greatest(n.created_at, n.expires_at) desc limit 100000
    ) as n
    where n.category = p_category or starts_with(n.category, p_category || ':')
  );
$$;
comment on function push.is_known_category(text) is
  'Whether a category has a row, or one above or below it, or is what one of the newest 100,000 messages is of.';

create function push.check_scope(p_category text, p_host text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_category is not null and p_host is not null then
    perform push.refuse(400, 'scope_ambiguous', 'A pause is for a category or for a push service, not both.',
      'Call it once for each. Without either, it pauses the whole project.');
  end if;
  if p_host is not null and not exists (select from push.hosts as h where h.origin = p_host) then
    perform push.refuse(404, 'host_unknown', format('There is no push service %s.', p_host),
      'Known push services: ' || (select string_agg(h.origin, ', ' order by h.origin) from push.hosts as h));
  end if;
end;
$$;
comment on function push.check_scope(text, text) is 'Refuses what is no scope of a pause.';

create function push.end_fan_outs(p_category text, p_before timestamptz, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
begin
  for v_id in
    select f.notification_id from push.fan_outs as f
    where f.finished_at is null and f.started_at < p_before and f.notification_id is not null
  loop
    -- The one lock of a fan-out.
    perform from public.push_notifications as n
    where n.id = v_id and n.status = 'fanning_out'
      and (p_category is null or n.category = p_category or starts_with(n.category, p_category || ':'))
    for no key update;
    if found then
      update push.fan_outs as f set finished_at = p_now where f.notification_id = v_id;
      update public.push_notifications as n set status = 'queued' where n.id = v_id;
    end if;
  end loop;
  -- Notifications of a list are still made, for inboxes, and expired at once.
  update push.fan_outs as f
  set message = f.message || jsonb_build_object('expires_at', p_now)
  where f.message is not null and f.finished_at is null and f.started_at < p_before and (f.message ->> 'send_at')::timestamptz < p_before
    and (
      p_category is null or f.message ->> 'category' = p_category or starts_with(f.message ->> 'category', p_category || ':')
    );
end;
$$;
comment on function push.end_fan_outs(text, timestamptz, timestamptz) is
  'Pushes older messages to topics and lists no further: devices that were not reached yet are not. Inboxes have them.';

create function push.resume(
  p_discard_older_than interval default null,
  p_category text default null,
  p_host text default null,
  p_now timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_pause push.pauses;
begin
  if p_discard_older_than < interval '0' then
    perform push.refuse(400, 'interval_negative', 'The interval must not be negative.',
      'Use an interval such as 10 minutes to discard what became due before that, or none to send everything.');
  end if;
  perform push.check_scope(p_category, p_host);
  update push.pauses as p
  set resumed_at = p_now,
      discard_before = p_now - p_discard_older_than,
      cleared_at = case when p_discard_older_than is null then p_now end
  where p.resumed_at is null and p.category is not distinct from p_category and p.host is not distinct from p_host
  returning p.* into v_pause;
  if not found then
    perform push.refuse(409, 'not_paused', 'Not paused.', coalesce(
      'Currently paused: ' || (
        select string_agg(coalesce('category ' || p.category, p.host, 'the whole project'), ', ' order by p.id)
        from push.pauses as p where p.resumed_at is null
      ), 'Nothing is paused.'));
  end if;
  if p_discard_older_than is not null and p_host is null then
    perform push.end_fan_outs(p_category, v_pause.discard_before, p_now);
  end if;
  perform push.advance_pauses(p_now => p_now);
  if push.has_work(p_now) then
    perform push.wake(p_now);
  end if;
  return (select push.describe_pause(p, p_now) from push.pauses as p where p.id = v_pause.id);
end;
$$;

create function push.pause(
  p_reason text,
  p_category text default null,
  p_host text default null,
  p_now timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_pause push.pauses;
begin
  if coalesce(p_reason, '') !~ '\S' or octet_length(p_reason) > 500 then
    perform push.refuse(400, 'reason_missing', 'A pause needs a reason of at most 500 bytes.',
      'Tell other operators why: push.pause(''wrong prices since 14:00'').');
  end if;
  perform push.check_scope(p_category, p_host);
  if p_category is not null and not push.is_known_category(p_category) then
    perform push.refuse(404, 'category_unknown', format('There is no category %s.', p_category),
      'Neither push_categories nor the newest messages have this category, or one above or below it.');
  end if;

  -- A claim that has begun ends first: what it took is sent, and after this commit nothing is handed out any more.
  perform pg_advisory_xact_lock(hashtextextended('supapush.claim', 0));
  insert into push.pauses (category, host, reason, paused_at) values (p_category, p_host, p_reason, p_now)
  on conflict do nothing
  returning * into v_pause;
  if v_pause.id is null then
    perform push.refuse(409, 'already_paused', 'Already paused.',
      'push_health() shows since when and why. push.resume() ends the pause.');
  end if;
  perform push.advance_pauses(p_now => p_now);
  return push.describe_pause(v_pause, p_now);
end;
$$;
comment on function push.pause(text, text, text, timestamptz) is
  'Stops sending: of the whole project, of a category with all below it, or of a push service (an origin in push.hosts). Messages go on '
  'being written and wait; what a dispatcher has taken already is still sent. Until push.resume(). Returns the pause and how much waits. For the database owner.

p_reason: What other operators read; at most 500 bytes.
p_category: Stops this category with all below it.
p_host: Stops this push service, an origin in push.hosts.';
comment on function push.resume(interval, text, text, timestamptz) is
  'Ends a pause. What became due longer ago than p_discard_older_than is cancelled (last_code discarded) and stays in the inbox; null sends '
  'everything that has not expired. Works in chunks: the first one here, the others with the claims and ticks that follow. For the database owner.

p_discard_older_than: What became due longer ago is cancelled; null: nothing is.
p_category: As in push.pause().
p_host: As in push.pause().';

create function public.push_pause(p_reason text, p_category text default null, p_host text default null)
returns jsonb
language sql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  select push.pause(p_reason, p_category, p_host);
$$;
comment on function public.push_pause(text, text, text) is
  'push.pause() for servers: supabase.rpc(''push_pause'', { p_reason, p_category, p_host }) with the secret key. Service role only.';

create function public.push_resume(p_discard_older_than interval default null, p_category text default null, p_host text default null)
returns jsonb
language sql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
  select push.resume(p_discard_older_than, p_category, p_host);
$$;
comment on function public.push_resume(interval, text, text) is
  'push.resume() for servers: supabase.rpc(''push_resume'', { p_discard_older_than: ''10 minutes'' }) with the secret key. Service role only.';

revoke all on function public.push_pause(text, text, text) from public, anon, authenticated;
revoke all on function public.push_resume(interval, text, text) from public, anon, authenticated;
grant execute on function public.push_pause(text, text, text) to service_role;
grant execute on function public.push_resume(interval, text, text) to service_role;
