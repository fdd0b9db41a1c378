-- push_complete() takes what became of deliveries. What was sent is recorded in record_sent.sql, the rest, with retries and
-- backoff, in record_failures.sql. Both say what the outcomes tell of the push services.

create function push.lock_deliveries(p_ids bigint[])
returns void
language plpgsql
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_bitmapscan = off
set enable_seqscan = off
as $$
begin
  perform from push.queue as q where q.id = any (p_ids) order by q.id for update;
end;
$$;
comment on function push.lock_deliveries(bigint[]) is 'Locks these deliveries in the order of their ids, until the end of the transaction.';

create function push.judge_hosts(p_reports push.host_report[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_host push.host_report;
begin
  foreach v_host in array p_reports loop
    if v_host.sent > 0 then
      perform push.host_succeeded(v_host.origin, v_host.accepted_users, p_now);
    elsif v_host.evidence is not null then
      perform push.host_failed(
        v_host.origin, v_host.evidence, v_host.count, v_host.users, v_host.proven_count, v_host.proven_users, v_host.certain,
        v_host.message, p_now
      );
    end if;
  end loop;
end;
$$;
comment on function push.judge_hosts(push.host_report[], timestamptz) is
  'Has each push service paused or taken up again by what a batch of outcomes says of it.';

create function public.push_complete(p_outcomes jsonb, p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
declare
  v_recorded push.recorded;
  v_failures push.recorded;
  v_waves text[] := '{}'::text[];
begin
  if not jsonb_path_exists(p_outcomes, '$[*] ? (@.outcome != "sent")') then
    v_recorded := push.record_sent(p_outcomes, p_now);
  else
    -- Before what was sent leaves the queue, because it is counted, too.
    if p_outcomes @> '[{"outcome": "gone"}]' then
      v_waves := push.gone_waves(p_outcomes, p_now);
    end if;
    -- In the order of their ids, in which heartbeats and deletions lock them too: what is sent and what is not are several writes.
    perform push.lock_deliveries(array(select r.delivery_id from jsonb_to_recordset(p_outcomes) as r (delivery_id bigint)));
    v_recorded := push.record_sent(p_outcomes, p_now);
    v_failures := push.record_failures(p_outcomes, v_recorded.sent_to, v_waves, p_now);
    v_recorded.states := v_recorded.states || v_failures.states;
    v_recorded.recorded := v_recorded.recorded + v_failures.recorded;
    v_recorded.deleted := v_failures.deleted;
    v_recorded.hosts := array(
      select row(
        coalesce(s.origin, f.origin), coalesce(s.sent, 0), coalesce(s.accepted_users, '{}'), f.evidence, f.count, f.users, f.proven_count,
        f.proven_users, f.certain, f.message
      )::push.host_report
      from unnest(v_recorded.hosts) as s
      full join unnest(v_failures.hosts) as f on f.origin = s.origin
      order by coalesce(s.origin, f.origin)
    );
  end if;
  perform push.judge_hosts(v_recorded.hosts, p_now);
  return jsonb_build_object(
    'states', v_recorded.states, 'recorded', v_recorded.recorded, 'subscriptions_deleted', v_recorded.deleted
  );
end;
$$;
comment on function public.push_complete(jsonb, timestamptz) is
  'Records a batch of outcomes: [{delivery_id, claim_number, outcome: sent|gone|retry|failed|misconfigured, status, code, message, retry_after}]. Service role only.';

revoke all on function public.push_complete(jsonb, timestamptz) from public, anon, authenticated;

grant execute on function public.push_complete(jsonb, timestamptz) to service_role;
