-- push_record_quotes(): the service writes quotes in bulk, and hears what was wrong with which.

create function push.finite_number(p_json jsonb)
returns double precision
language sql
immutable
set search_path = ''
as $$
  -- Numeric first: JSON may hold numbers that a double cannot, and one of them must not fail a whole batch.
  select case when jsonb_typeof(p_json) = 'number' then
    case when p_json::numeric = 0 or abs(p_json::numeric) between 1e-100 and 1e100 then p_json::double precision end
  end;
$$;
comment on function push.finite_number(jsonb) is
  'A JSON number as a quote may have it; null for everything else: null, NaN and the infinities (no numbers in JSON), texts.';

create function push.moment_of(p_text text)
returns timestamptz
language plpgsql
stable
set search_path = ''
as $$
begin
  -- With its zone: a time of day alone means another moment wherever it is read.
  if p_text ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)$' then
    return p_text::timestamptz;
  end if;
  return null;
exception when datetime_field_overflow or invalid_datetime_format or invalid_time_zone_displacement_value then
  return null;
end;
$$;
comment on function push.moment_of(text) is 'The moment that a text in ISO 8601 with a time zone names; null when it names none.';

create function push.read_quotes(p_quotes jsonb, p_now timestamptz)
returns table (symbol text, value double precision, quoted_at timestamptz, source text, lasting boolean, round integer)
language sql
stable
set search_path = ''
as $$
  with given as (
    select e.place, e.quote ->> 'symbol' as symbol, push.finite_number(e.quote -> 'value') as value,
      case when coalesce(e.quote -> 'quoted_at', 'null') = 'null' then p_now else push.moment_of(e.quote ->> 'quoted_at') end
        as quoted_at,
      left(e.quote ->> 'source', 25) as source, coalesce(e.quote -> 'lasting' = 'true', false) as lasting
    from jsonb_array_elements(p_quotes) with ordinality as e (quote, place)
    where jsonb_typeof(e.quote) = 'object'
  ), valid as (
    select g.*, row_number() over (partition by g.symbol, g.quoted_at order by g.place) as same
    from given as g
    where g.symbol ~ '^[^[:space:][:cntrl:]:{}]+(:[^[:space:][:cntrl:]:{}]+)*$' and octet_length(g.symbol) <= 64
      and g.value is not null and g.quoted_at <= p_now + interval '1 minute'
  )
  -- If there are several quotes for one moment, the first counts. The others are in no round, and so ignored.
  select v.symbol, v.value, v.quoted_at, v.source, v.lasting,
    case when v.same = 1 then
      (count(*) filter (where v.same = 1) over (partition by v.symbol order by v.quoted_at rows unbounded preceding))::integer
    end
  from valid as v
  order by v.symbol collate "C", v.quoted_at, v.same;
$$;
comment on function push.read_quotes(jsonb, timestamptz) is
  'The valid quotes among these, and in which round each is recorded: a symbol''s first, second, … by time.';

create function public.push_record_quotes(p_quotes jsonb, p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
-- Definer: reads settings and writes the history, which the service may not.
security definer
set search_path = ''
-- PostgREST takes this over for the request. A crash that fires the alerts of 100,000 users is one transaction, and a batch
-- that is cut off after the API's 8 seconds would be cut off again and again.
set statement_timeout = '2min'
as $$
declare
  v_symbols text[];
  v_values double precision[];
  v_times timestamptz[];
  v_sources text[];
  v_lasting boolean[];
  v_rounds integer[];
  v_valid bigint;
  v_written bigint;
  v_all_written bigint := 0;
  v_stale bigint;
  v_all_stale bigint := 0;
  v_late bigint := 0;
  v_repeated bigint := 0;
  v_firings text;
begin
  if jsonb_typeof(p_quotes) is distinct from 'array' then
    perform push.refuse(400, 'quotes_malformed', 'Quotes must be an array of objects with symbol and value.',
      'Give [{"symbol": "DAX", "value": 18500.35}].');
  end if;
  select array_agg(r.symbol), array_agg(r.value), array_agg(r.quoted_at), array_agg(r.source), array_agg(r.lasting), array_agg(r.round),
    count(*)
  into v_symbols, v_values, v_times, v_sources, v_lasting, v_rounds, v_valid
  from push.read_quotes(p_quotes, p_now) as r;
  perform set_config('push.alerts_fired', '{}', true), set_config('push.writing_at', p_now::text, true);

  -- A symbol's quotes one after the other, since alerts look at each. All symbols are in the first round, in their order:
  -- transactions that record the same ones at the same time wait there, in one order and so without a deadlock.
  for v_round in 1 .. coalesce((select max(r.round) from unnest(v_rounds) as r (round)), 0) loop
    with written as (
      insert into public.push_quotes as q (symbol, value, quoted_at, source, lasting)
      select g.symbol, g.value, g.quoted_at, g.source, g.lasting
      from unnest(v_symbols, v_values, v_times, v_sources, v_lasting, v_rounds)
        as g (symbol, value, quoted_at, source, lasting, round)
      where g.round = v_round
      order by g.symbol collate "C"
      on conflict (symbol) do update
      set value = excluded.value, quoted_at = excluded.quoted_at, source = excluded.source, lasting = excluded.lasting
      where excluded.quoted_at > q.quoted_at or q.quoted_at > p_now + interval '2 minutes'
      returning q.quoted_at
    )
    select count(*), count(*) filter (where w.quoted_at <= p_now - s.quote_stale_after)
    into v_written, v_stale
    from written as w cross join push.settings as s;
    v_all_written := v_all_written + v_written;
    v_all_stale := v_all_stale + v_stale;
  end loop;

  if v_all_written < v_valid then
    -- The history has the quotes that were written by now, so only those that came too late are new to it.
    insert into push.quote_history (symbol, quoted_at, value)
    select g.symbol, g.quoted_at, g.value
    from unnest(v_symbols, v_values, v_times, v_rounds) as g (symbol, value, quoted_at, round)
    where g.round is not null
    order by g.symbol collate "C", g.quoted_at
    on conflict do nothing;
    get diagnostics v_late = row_count;
    select count(*) - v_all_written - v_late into v_repeated
    from unnest(v_symbols, v_values, v_times) as g (symbol, value, quoted_at)
    join push.quote_history as h on h.symbol = g.symbol and h.quoted_at = g.quoted_at and h.value = g.value;
  end if;
  -- All in one statement, at the end: users whose pushes are counted are then locked in one order, and two batches never
  -- wait for each other's in a circle.
  v_firings := current_setting('push.alerts_fired');
  perform set_config('push.alerts_fired', '', true), set_config('push.writing_at', '', true);
  return jsonb_build_object(
    'recorded', v_all_written - v_all_stale,
    'ignored', jsonb_build_object(
      'duplicate', v_repeated,
      'out_of_order', v_valid - v_all_written - v_repeated,
      'stale', v_all_stale,
      'invalid', jsonb_array_length(p_quotes) - v_valid
    ),
    'fired', push.tell_alerts(v_firings::push.firing[], false, p_now)
  );
end;
$$;
comment on function public.push_record_quotes(jsonb, timestamptz) is
  'Records [{symbol, value, quoted_at?, source?, lasting?}] and fires what crosses; says how many were recorded, ignored (duplicate, out_of_order: kept in '
  'the history alone; stale: kept and not looked at; invalid) and fired. A bad quote spoils no other. Service role only.';

create function push.record_quote(p_symbol text, p_value double precision, p_now timestamptz default clock_timestamp())
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform push.check_symbol(p_symbol);
  -- A column that is empty or broken is no reason to refuse the write of an application.
  if (p_value = 0 or abs(p_value) between 1e-100 and 1e100) is not true then
    return;
  end if;
  perform set_config('push.writing_at', p_now::text, true);
  insert into public.push_quotes as q (symbol, value, quoted_at, lasting) values (p_symbol, p_value, p_now, true)
  on conflict (symbol) do update
  set value = excluded.value, quoted_at = push.after_quote(excluded.quoted_at, q.quoted_at, p_now), source = null, lasting = true;
  perform set_config('push.writing_at', '', true);
end;
$$;
comment on function push.record_quote(text, double precision, timestamptz) is
  'Records a symbol''s value, which holds until the next one, from a trigger of your own. Of two transactions, the one that '
  'commits last has recorded the last value. '
  'Null, NaN and the infinities are ignored. For the database owner.';

revoke all on function public.push_record_quotes(jsonb, timestamptz) from public, anon, authenticated;
grant execute on function public.push_record_quotes(jsonb, timestamptz) to service_role;
