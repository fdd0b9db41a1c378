-- Whether there is anything to do at all: deliveries, fan-outs, or what a pause has left.

create function push.open_fan_outs(p_now timestamptz)
returns setof push.fan_outs
language sql
stable
set search_path = ''
as $$
  select f.* from push.fan_outs as f, push.settings as s
  where f.finished_at is null
    -- What is put off for longer than anything is was put off before the clock was set back.
    and (f.next_at <= p_now or f.next_at > p_now + s.backoff_max + interval '1 minute')
    and not push.is_fan_out_held(f, p_now)
  order by f.worked_at, f.id;
$$;
comment on function push.open_fan_outs(timestamptz) is
  'Fan-outs that may be worked on, those first whose last chunk was longest ago: neither paused nor put off.';

create function push.has_work(p_now timestamptz default clock_timestamp())
returns boolean
language sql
stable
set search_path = ''
as $$
  select push.has_due(p_now)
    or exists (select from push.open_fan_outs(p_now))
    or push.pause_to_return() is not null;
$$;
comment on function push.has_work(timestamptz) is 'Whether a dispatcher would find anything to send, to fan out, or to return to the queue after a pause.';
