-- What a source of quotes gave, the bell that has it asked, and how it is doing.

create function push.judge_quotes(p_source push.quote_sources, p_quotes jsonb, p_now timestamptz)
returns jsonb
language sql
set search_path = ''
set enable_nestloop = off
as $$
  with given as (
    select distinct on (r.symbol) r.symbol, r.value, r.quoted_at
    from jsonb_to_recordset(p_quotes) as r (symbol text, value numeric, quoted_at timestamptz)
    join push.quote_source_symbols as q on q.source = p_source.name and q.symbol = r.symbol
    order by r.symbol, r.quoted_at desc nulls last
  ), judged as materialized (
    select g.*, case
      when g.value is null or g.value in ('NaN', 'Infinity', '-Infinity') then 'is no number'
      when g.value <= p_source.value_above then format('is %s, not more than %s', g.value, p_source.value_above)
      -- One quote of next year would make all that follow it look old.
      when g.quoted_at > p_now + interval '1 minute' then format('is of %s, which is in the future', g.quoted_at)
    end as problem
    from given as g
  ), good as (
    update push.quote_source_symbols as q
    set given_at = p_now, has_given = true, missing_since = null, asked_again_at = null, refused = false
    from judged as j
    where j.problem is null and q.source = p_source.name and q.symbol = j.symbol
    returning q.symbol
  ), needed as (
    select g.symbol from good as g join push.wanted_quotes(p_now, p_source.name) as w on w.symbol = g.symbol
  )
  select jsonb_build_object(
    'quotes', coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
      'symbol', j.symbol, 'value', j.value, 'quoted_at', j.quoted_at, 'source', p_source.name
    )) order by j.symbol) filter (where n.symbol is not null), '[]'),
    'rejected', coalesce(
      jsonb_agg(jsonb_build_object('symbol', j.symbol, 'message', j.symbol || ' ' || j.problem)) filter (where j.problem is not null),
      '[]'
    ),
    'unneeded', count(*) filter (where j.problem is null and n.symbol is null)
  )
  from judged as j
  left join needed as n on n.symbol = j.symbol;
$$;
comment on function push.judge_quotes(push.quote_sources, jsonb, timestamptz) is
  'Of what a source gave: the quotes to record, what cannot be true, and how many a source of higher precedence gave meanwhile.';

create function push.miss_symbols(p_source push.quote_sources, p_missed text[], p_refused text[], p_now timestamptz)
returns void
language sql
set search_path = ''
set enable_nestloop = off
as $$
  with missed as (
    select m.symbol, bool_or(m.refused) as refused
    from (
      select u.symbol, false as refused from unnest(p_missed) as u (symbol)
      union all
      select u.symbol, true from unnest(p_refused) as u (symbol)
    ) as m
    group by m.symbol
  ), judged as materialized (
    select q.symbol, m.refused, coalesce(q.missing_since, p_now) as missing_since,
      -- A symbol that the source has given may come again at any moment: markets close for holidays.
      q.has_given and not m.refused and coalesce(q.missing_since, p_now) > p_now - interval '30 days' as has_given
    from missed as m
    join push.quote_source_symbols as q on q.source = p_source.name and q.symbol = m.symbol
  )
  update push.quote_source_symbols as q
  set has_given = j.has_given,
      refused = j.refused,
      missing_since = j.missing_since,
      asked_again_at = p_now + case
        when j.refused then least(p_now - j.missing_since + interval '1 hour', interval '1 day')
        when not j.has_given then least(p_now - j.missing_since + p_source.every * 2, interval '6 hours')
      end
  from judged as j
  where q.source = p_source.name and q.symbol = j.symbol
    and (q.missing_since is null or not j.has_given);
$$;
comment on function push.miss_symbols(push.quote_sources, text[], text[], timestamptz) is
  'Puts aside symbols that a source was asked for and did not give: those that it refused for an hour to a day, others for two of its intervals to six '
  'hours, doubled with each miss. What it gave lately is asked for as ever.';

create function public.push_quote_report(p_report jsonb, p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
-- As push_record_quotes().
set statement_timeout = '2min'
as $$
declare
  v_source push.quote_sources;
  v_judged jsonb := '{"quotes": [], "rejected": [], "unneeded": 0}'::jsonb;
  v_given integer := 0;
  v_recorded jsonb := '{}'::jsonb;
  v_rejected jsonb;
  v_answer jsonb;
  v_error jsonb := nullif(p_report -> 'error', 'null');
begin
  select s.* into v_source from push.quote_sources as s
  where s.name = p_report ->> 'source' and (p_report ->> 'lease')::uuid in (s.lease, s.trial_lease)
  for update;
  if not found then
    -- Its lease is over: another run has the source, or it is gone.
    return jsonb_build_object('accepted', false);
  end if;

  begin
    v_judged := push.judge_quotes(v_source, p_report -> 'quotes', p_now);
    if v_judged -> 'quotes' <> '[]' then
      v_recorded := public.push_record_quotes(v_judged -> 'quotes', p_now);
    end if;
    v_given := jsonb_array_length(v_judged -> 'quotes') + (v_judged ->> 'unneeded')::integer;
  exception when others then
    v_error := jsonb_build_object('code', 'not_recorded', 'message', 'Its quotes could not be recorded: ' || sqlerrm);
  end;
  perform push.miss_symbols(
    v_source,
    array(select m.symbol from jsonb_array_elements_text(p_report -> 'missing') as m (symbol))
      || array(select r.value ->> 'symbol' from jsonb_array_elements(v_judged -> 'rejected') as r),
    array(select r.symbol from jsonb_array_elements_text(p_report -> 'refused') as r (symbol)),
    p_now
  );

  v_rejected := (p_report -> 'rejected') || (v_judged -> 'rejected');
  v_answer := v_recorded || jsonb_build_object(
    'accepted', true,
    'quotes', v_given,
    'unneeded', v_judged -> 'unneeded',
    'rejected', jsonb_array_length(v_rejected)
  );
  if v_source.trial_lease = (p_report ->> 'lease')::uuid then
    -- How a trial went says nothing about the source: the symbols may not exist.
    update push.quote_sources as s
    set trial_lease = null,
        next_trial_at = greatest(
          s.next_trial_at - n.quote_lease * 2 + s.every - least(s.every / 10, interval '5 seconds'),
          p_now + least(make_interval(secs => coalesce((v_error ->> 'retry_after')::double precision, 0)), interval '1 hour')
        )
    from push.settings as n
    where s.name = v_source.name;
    return v_answer;
  end if;
  update push.quote_sources as s
  set last_run = jsonb_build_object(
    'requests', p_report -> 'requests',
    'quotes', v_given,
    'unneeded', v_judged -> 'unneeded',
    'recorded', coalesce(v_recorded -> 'recorded', '0'),
    'refused', jsonb_array_length(p_report -> 'refused'),
    'rejected', jsonb_array_length(v_rejected),
    'rejected_example', v_rejected -> 0 ->> 'message'
  )
  where s.name = v_source.name;

  if v_given > 0 then
    -- Some quotes are a success, with what went wrong beside it.
    update push.quote_sources as s
    set lease = null,
        leased_until = null,
        failures = 0,
        -- A little less than the interval: the job that rings is never on the second.
        next_attempt_at = s.last_attempt_at + s.every - least(s.every / 10, interval '5 seconds'),
        last_success_at = p_now,
        last_error_at = case when v_error is null then s.last_error_at else p_now end,
        last_error_code = coalesce(v_error ->> 'code', s.last_error_code),
        last_error = coalesce(left(v_error ->> 'message', 500), s.last_error)
    where s.name = v_source.name;
    perform push.resolve_alarm('quote_source_failing', v_source.name, p_now);
  else
    v_error := coalesce(v_error, case when v_rejected = '[]'
      then jsonb_build_object('code', 'no_values', 'message', 'None of the symbols it was asked for is in its answer.')
      else jsonb_build_object('code', 'values_rejected', 'message', 'No value can be used: ' || (v_rejected -> 0 ->> 'message') || '.')
    end);
    perform push.fail_quote_source(v_source.name, v_error ->> 'code', v_error ->> 'message',
      make_interval(secs => (v_error ->> 'retry_after')::double precision), p_now);
  end if;
  return v_answer;
end;
$$;
comment on function public.push_quote_report(jsonb, timestamptz) is
  'Takes what one run got from one source: {source, lease, requests, quotes, missing, refused, rejected, error}. Ignored when its lease is over. Service role only.';

create function push.ring_for_quotes(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  -- The clock was set back since they were asked: they are due, and what a lost run holds is free after the length of a lease.
  update push.quote_sources as s
  set next_attempt_at = least(s.next_attempt_at, p_now), leased_until = least(s.leased_until, p_now + t.quote_lease), last_attempt_at = p_now
  from push.settings as t
  where s.last_attempt_at > p_now + interval '1 minute';
  if not exists (
    select from push.quote_sources as s where s.next_attempt_at <= p_now and (s.lease is null or s.leased_until <= p_now)
  ) or not exists (select from public.push_watched_symbols(p_now)) then
    return false;
  end if;
  if not push.call_function('push-quotes', '{}', p_now) then
    return false;
  end if;
  if exists (select from push.quote_sources as s where s.rung >= 3) then
    perform push.raise_alarm('quotes_not_fetched', '',
      'No quotes are fetched: push-quotes was called three times and did not start. Is it deployed? '
        || 'GET /functions/v1/push-quotes shows whether it is ready.', p_now);
  end if;
  update push.quote_sources as s set rung = s.rung + 1
  where s.next_attempt_at <= p_now and (s.lease is null or s.leased_until <= p_now);
  return true;
end;
$$;
comment on function push.ring_for_quotes(timestamptz) is
  'Calls push-quotes when a source of quotes is due and an alert watches a symbol. Run by pg_cron while there are sources.';

create function push.quote_source_health(p_now timestamptz)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'source', s.name,
    'state', case
      when s.failures >= t.quote_failures then 'failing'
      when s.failures > 0 then 'retrying'
      when s.last_success_at is null then 'new'
      else 'ok'
    end,
    'failures', s.failures,
    'symbols', (select count(*) from push.quote_source_symbols as q where q.source = s.name),
    'refused_symbols', (
      select count(*) from push.quote_source_symbols as q where q.source = s.name and q.refused and q.asked_again_at > p_now
    ),
    'missing_symbols', (
      select count(*) from push.quote_source_symbols as q where q.source = s.name and not q.refused and q.asked_again_at > p_now
    ),
    'next_attempt_at', nullif(s.next_attempt_at, '-infinity'),
    'last_success_at', s.last_success_at,
    'last_error_at', s.last_error_at,
    'last_error_code', s.last_error_code,
    'last_error', s.last_error,
    'last_run', s.last_run
  ) order by s.precedence, s.name), '[]')
  from push.quote_sources as s
  cross join push.settings as t;
$$;
comment on function push.quote_source_health(timestamptz) is 'How each source of quotes is doing, for push_health.';

revoke all on function public.push_quote_report(jsonb, timestamptz) from public, anon, authenticated;
grant execute on function public.push_quote_report(jsonb, timestamptz) to service_role;
