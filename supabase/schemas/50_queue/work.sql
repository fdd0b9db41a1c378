-- Whether there is anything to do at all: deliveries, expansions, or what a pause has left.

create function push.has_work(p_now timestamptz default clock_timestamp())
returns boolean
language sql
stable
set search_path = ''
as $$
  select push.has_due(p_now)
    or exists (
      select from push.expansions as e
      where e.finished_at is null and e.next_at <= p_now and not push.is_expansion_held(e, p_now)
    )
    or push.pause_to_return() is not null;
$$;
comment on function push.has_work(timestamptz) is 'Whether a dispatcher would find anything to send, to expand, or to return to the queue after a pause.';
