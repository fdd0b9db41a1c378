-- What push services that throttle accept, as dispatchers found out, for those that come later.

create function push.note_paces(p_paces jsonb, p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  -- Every few seconds: all dispatchers share this row. Skip locked, because a claim waits for nothing. Ten a second at least, as
  -- dispatchers have it.
  update push.hosts as h
  set pace = least(greatest((p_paces ->> h.origin)::double precision, 10), 100000), paced_at = p_now
  where h.origin in (
    select n.origin from push.hosts as n
    where p_paces ? n.origin and (n.paced_at is null or n.paced_at not between p_now - interval '5 seconds' and p_now)
    for no key update skip locked
  );
$$;
comment on function push.note_paces(jsonb, timestamptz) is
  'Remembers what push services that throttle accept of one dispatcher per second, by origin.';

create function push.paces(p_now timestamptz)
returns table (origin text, pace real)
-- In plpgsql, which plans once a session: each claim calls it.
language plpgsql
stable
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select h.origin, h.pace from push.hosts as h
  where h.paced_at > p_now - interval '1 minute' and h.paced_at <= p_now + interval '1 minute';
end;
$$;
comment on function push.paces(timestamptz) is
  'Push services that throttled a dispatcher in the last minute, and what they accepted of one per second.';
