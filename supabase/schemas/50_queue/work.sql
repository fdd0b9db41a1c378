-- Whether there is anything to do at all: deliveries, expansions, or what a pause has left.

create function push.open_expansions(p_now timestamptz)
returns setof push.expansions
language sql
stable
set search_path = ''
as $$
  select e.* from push.expansions as e, push.settings as s
  where e.finished_at is null
    -- What is put off for longer than anything is was put off before the clock was set back.
    and (e.next_at <= p_now or e.next_at > p_now + s.backoff_max + interval '1 minute')
    and not push.is_expansion_held(e, p_now)
  order by e.worked_at, e.id;
$$;
comment on function push.open_expansions(timestamptz) is
  'Expansions that may be worked on, those first whose last chunk was longest ago: neither paused nor put off.';

create function push.has_work(p_now timestamptz default clock_timestamp())
returns boolean
language sql
stable
set search_path = ''
as $$
  select push.has_due(p_now)
    or exists (select from push.open_expansions(p_now))
    or push.pause_to_return() is not null;
$$;
comment on function push.has_work(timestamptz) is 'Whether a dispatcher would find anything to send, to expand, or to return to the queue after a pause.';
