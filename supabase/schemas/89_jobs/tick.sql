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
  v_fanned_out boolean;
  v_rung boolean;
begin
  perform push.end_dispatchers(p_now);
  perform push.end_host_pauses_to_come(p_now);
  v_recovered := push.recover_leases(p_now);
  perform push.end_gone_waves(p_now);
  v_expired := push.expire_deliveries(10000, p_now);
  v_reminded := push.send_reminders(10000, p_now);
  v_released := push.enqueue_due_notifications(10000, p_now);
  v_summarised := push.close_digests(1000, p_now);
  perform push.advance_pauses(p_now => p_now);
  -- As dispatchers do: one chunk, and only while nothing else waits, since sending comes first.
  v_fanned_out := public.push_fan_out(p_now => p_now);
  v_rung := push.ring_for_work(p_now);
  return jsonb_build_object(
    'recovered', v_recovered, 'expired', v_expired, 'reminded', v_reminded, 'released', v_released,
    'summarised', v_summarised, 'fanned_out', v_fanned_out, 'rung', v_rung
  );
end;
$$;
comment on function push.tick(timestamptz) is
  'Finds again whatever the bell lost: returns leases, ends what is too late, sends reminders, releases what is due, closes digests, does the work of pauses, fans out a chunk, rings. Run by pg_cron.';
