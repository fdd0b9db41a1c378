-- The tick: what is due by the clock, every few seconds.

create function push.tick(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_recovered integer;
  v_expired integer;
  v_reminded integer;
  v_released integer;
  v_summarised integer;
  v_expanded boolean := false;
  v_rung uuid;
begin
  delete from push.dispatchers as w
  where w.id in (
    select l.id from push.dispatchers as l
    where l.lease_until <= p_now or l.lease_until > p_now + (
      select greatest(s.dispatcher_lease, s.call_lease) + interval '1 minute' from push.settings as s
    )
    for update skip locked
  );
  -- A pause that began after now began before the clock was set back.
  update push.hosts as h set paused_at = p_now, probe_at = p_now
  where h.paused_at > p_now + interval '1 minute';
  v_recovered := push.recover_leases(p_now);
  perform push.end_gone_waves(p_now);
  v_expired := push.expire_deliveries(10000, p_now);
  v_reminded := push.send_reminders(10000, p_now);
  v_released := push.enqueue_due_notifications(10000, p_now);
  v_summarised := push.close_digests(1000, p_now);
  perform push.settle_pauses(p_now => p_now);
  -- One chunk, and only while nothing else waits: dispatchers do this too, and sending comes first.
  if not push.has_due(p_now) then
    v_expanded := push.expand(p_now => p_now);
  end if;
  if push.has_work(p_now) then
    if exists (select from push.dispatchers as w where w.lease_until > p_now) then
      perform push.call_for_backlog(p_now);
    else
      v_rung := push.ring(p_now);
    end if;
  end if;
  return jsonb_build_object(
    'recovered', v_recovered, 'expired', v_expired, 'reminded', v_reminded, 'released', v_released,
    'summarised', v_summarised, 'expanded', v_expanded, 'rung', v_rung is not null
  );
end;
$$;
comment on function push.tick(timestamptz) is
  'Finds again whatever the bell lost: returns leases, ends what is too late, sends reminders, releases what is due, closes digests, does the work of pauses, expands a chunk, rings. Run by pg_cron.';
