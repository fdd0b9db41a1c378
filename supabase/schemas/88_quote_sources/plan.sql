-- Which source of quotes is asked for what, by which run of push-quotes.
--
--   due ──push_quote_plan──► leased ──push_quote_report──► due again after its interval
--    ▲                         │          └─ nothing but errors: after a pause, doubled with each failure
--    └──the lease is over──────┘

-- Few sources and many symbols, in tables that were mostly empty when they were last analysed: left to itself, the planner
-- takes each symbol to be the only one, and compares all with all. So the functions here do without nested loops.

create function push.wanted_quotes(p_now timestamptz, p_source text default null)
returns table (source text, symbol text, given_at timestamptz, has_given boolean, asked_again_at timestamptz)
language sql
stable
set search_path = ''
as $$
  select q.source, q.symbol, q.given_at, q.has_given, q.asked_again_at
  from push.quote_source_symbols as q
  join push.quote_sources as s on s.name = q.source
  where (p_source is null or q.source = p_source) and (q.asked_again_at is null or q.asked_again_at <= p_now)
    -- One above that gives this symbol, or has not had the time to: a fallback waits.
    and not exists (
      select from push.quote_sources as a
      join push.quote_source_symbols as g on g.source = a.name
      -- Here and not in the join's condition: only so does the planner hash it once in place of a look for each symbol.
      where g.symbol = q.symbol and a.precedence < s.precedence and g.given_at > p_now - s.fallback_after
        and (not g.refused or g.asked_again_at <= p_now)
    );
$$;
comment on function push.wanted_quotes(timestamptz, text) is
  'The symbols to ask each source for, or one: watched ones that no source of higher precedence gives.';

create function push.fail_quote_source(p_name text, p_code text, p_message text, p_retry_after interval, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_alarming boolean;
begin
  update push.quote_sources as q
  set lease = null,
      leased_until = null,
      failures = q.failures + 1,
      last_error_at = p_now,
      last_error_code = p_code,
      last_error = left(p_message, 500),
      next_attempt_at = case
        -- A function that was cut off once says nothing about the source.
        when p_code = 'run_lost' and q.failures = 0 then p_now
        else p_now + greatest(
          q.every,
          -- Where a source has never given anything, made-up symbols may be to blame. Those wait by themselves.
          case when q.last_success_at is not null or p_code not in ('no_values', 'values_rejected') then
            least(q.every * power(2, least(q.failures, 20)), s.quote_backoff_max)
          end,
          least(coalesce(p_retry_after, interval '0'), interval '1 hour')
        )
      end
  from push.settings as s
  where q.name = p_name
  -- Waiting helps against none of these.
  returning q.failures >= s.quote_failures or p_code in ('credentials_refused', 'secret_missing', 'address_refused')
  into v_alarming;
  if v_alarming then
    perform push.raise_alarm('quote_source_failing', p_name,
      format('The source %s returns no quotes, so its last ones are kept. %s', p_name, left(p_message, 300)), p_now);
  end if;
end;
$$;
comment on function push.fail_quote_source(text, text, text, interval, timestamptz) is
  'Notes a run of a source that gave nothing: it is asked again later each time, and an operator hears of it after a few.';

create function push.note_watched_symbols(p_source push.quote_sources, p_symbols text[], p_now timestamptz)
returns void
language sql
set search_path = ''
set enable_nestloop = off
as $$
  with served as materialized (
    select distinct w.symbol
    from unnest(p_symbols) as w (symbol)
    -- In a path these two would be gone, or lead elsewhere.
    where w.symbol not in ('.', '..') and push.serves(p_source, w.symbol)
  ), forgotten as (
    delete from push.quote_source_symbols as q
    where q.source = p_source.name and not exists (select from served as v where v.symbol = q.symbol)
  )
  insert into push.quote_source_symbols (source, symbol, given_at, has_given)
  -- No user has made up what the declaration names, or the source gave lately.
  select p_source.name, v.symbol, p_now, k.symbol is not null or p_source.symbols ? v.symbol
  from served as v
  left join public.push_quotes as k
    on k.symbol = v.symbol and k.source = left(p_source.name, 25) and k.recorded_at > p_now - interval '30 days'
  where not exists (
    select from push.quote_source_symbols as q where q.source = p_source.name and q.symbol = v.symbol
  )
  on conflict do nothing;
$$;
comment on function push.note_watched_symbols(push.quote_sources, text[], timestamptz) is
  'Notes which watched symbols a source serves, and forgets those that no alert watches any more.';

create function push.lease_quote_sources(p_now timestamptz)
returns jsonb
language sql
set search_path = ''
set enable_nestloop = off
-- The alerts on a symbol are looked up by it, however few the planner believes there are.
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
  with due as materialized (
    select w.* from push.wanted_quotes(p_now) as w
    join push.quote_sources as s on s.name = w.source
    where s.next_attempt_at <= p_now and s.lease is null
  ), watched as (
    -- On trial. Users can watch what does not exist, so users take turns, not symbols: each user's first symbol comes before
    -- any user's second, and only so many of each. First is what was never asked for, then what waits longest.
    select d.source, d.symbol, row_number() over (
      partition by d.source, a.user_id order by d.asked_again_at nulls first, random()
    ) as turn
    from due as d
    cross join lateral (
      select distinct k.user_id
      from (
        select o.user_id from public.push_alerts as o
        where o.symbol = d.symbol collate "C" and o.enabled and (o.expires_at is null or o.expires_at > p_now)
        limit 1000
      ) as k
    ) as a
    where not d.has_given
  ), trials as (
    select t.source, t.symbol, row_number() over (partition by t.source order by t.turn, random()) as place
    from (select w.source, w.symbol, min(w.turn) as turn from watched as w group by w.source, w.symbol) as t
    cross join push.settings as n
    where t.turn <= n.quote_trials_per_user
  ), runs as materialized (
    select d.source, false as trial,
      -- The symbol that waits longest comes first, in case the run does not get to its end.
      jsonb_agg(jsonb_build_array(d.symbol, coalesce(s.symbols ->> d.symbol, d.symbol)) order by d.given_at, d.symbol) as symbols
    from due as d
    join push.quote_sources as s on s.name = d.source
    where d.has_given
    group by d.source
    union all
    select t.source, true, jsonb_agg(jsonb_build_array(t.symbol, coalesce(s.symbols ->> t.symbol, t.symbol)) order by t.place)
    from trials as t
    join push.quote_sources as s on s.name = t.source
    where t.place <= s.batch_size * (select n.quote_trial_requests from push.settings as n)
      and (s.next_trial_at is null or s.next_trial_at <= p_now)
    group by t.source
  ), taken as (
    update push.quote_sources as s
    set lease = case when d.asks then gen_random_uuid() end,
        leased_until = case when d.asks then p_now + n.quote_lease end,
        last_attempt_at = case when d.asks then p_now else s.last_attempt_at end,
        trial_lease = case when d.tries then gen_random_uuid() else s.trial_lease end,
        -- It comes after the other run.
        next_trial_at = case when d.tries then p_now + n.quote_lease * 2 else s.next_trial_at end
    from push.settings as n, (
      select o.name,
        -- For a source that has never given anything, the trial alone shows whether it works.
        w.has_given or o.last_success_at is null as asks, w.has_trial and (w.has_given or o.last_success_at is not null) as tries
      from push.quote_sources as o
      join (
        select r.source, bool_or(not r.trial) as has_given, bool_or(r.trial) as has_trial from runs as r group by r.source
      ) as w on w.source = o.name
      where o.next_attempt_at <= p_now and o.lease is null
      for update of o skip locked
    ) as d
    where s.name = d.name
    returning s.*, d.tries
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'source', t.name,
    'lease', case when r.trial and t.tries then t.trial_lease else t.lease end,
    'trial', r.trial,
    'max_requests', case when r.trial then n.quote_trial_requests end,
    'adapter', t.adapter,
    'url', t.url,
    'headers', t.headers,
    'value_at', t.value_at,
    'symbol_at', t.symbol_at,
    'time_at', t.time_at,
    'timezone', t.timezone,
    'delimiter', t.delimiter,
    'separator', t.separator,
    'batch_size', t.batch_size,
    'max_bytes', t.max_bytes,
    'timeout_ms', (extract(epoch from t.timeout) * 1000)::integer,
    -- The rest of the lease is for the report.
    'budget_ms', (extract(epoch from n.quote_lease - interval '20 seconds') * 1000)::integer,
    'local_origin', n.local_quote_server,
    'symbols', r.symbols
  ) order by t.precedence, t.name, r.trial), '[]')
  from taken as t
  join runs as r on r.source = t.name
  cross join push.settings as n;
$$;
comment on function push.lease_quote_sources(timestamptz) is
  'Takes every source that is due and has something to be asked for, and says how to ask it.';

create function public.push_quote_plan(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
-- Definer: see push_claim.
security definer
set search_path = ''
as $$
declare
  v_source push.quote_sources;
  v_watched text[];
begin
  perform push.note_function(p_now);
  -- One at a time: who comes second would find that the first took everything.
  if not pg_try_advisory_xact_lock(hashtextextended('supapush.quote_plan', 0)) then
    return '[]'::jsonb;
  end if;
  update push.quote_sources as s set rung = 0 where s.rung > 0;
  perform push.resolve_alarm('quotes_not_fetched', '', p_now);

  v_watched := array(select w.symbol from public.push_watched_symbols(p_now) as w);
  for v_source in
    select s.* from push.quote_sources as s
  loop
    -- Looked at again under its lock: a report may have come in the last moment.
    perform from push.quote_sources as s where s.name = v_source.name and s.leased_until <= p_now for update skip locked;
    if found then
      perform push.fail_quote_source(v_source.name, 'run_lost',
        'The run of push-quotes that asked it ended without a report.', null, p_now);
    end if;
    perform push.note_watched_symbols(v_source, v_watched, p_now);
  end loop;
  return push.lease_quote_sources(p_now);
end;
$$;
comment on function public.push_quote_plan(timestamptz) is
  'The sources that are due, each under a lease, with the watched symbols to ask it for, as [ours, theirs]. What a source has never given is a run '
  'of its own (trial), after the other one and of at most max_requests. Service role only.';

revoke all on function public.push_quote_plan(timestamptz) from public, anon, authenticated;
grant execute on function public.push_quote_plan(timestamptz) to service_role;
