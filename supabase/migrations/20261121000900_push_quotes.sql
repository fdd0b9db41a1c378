-- Supapush: quotes, the values that alerts watch: prices, and any other number that has a name and changes.
--
-- The service writes them, in bulk by push_record_quotes() or straight into push_quotes. Of each symbol the newest is
-- kept there, and the course of the last days in push.quote_history, by which changes are measured.

alter table push.settings
  add column quote_stale_after interval not null default '30 minutes',
  add column keep_quotes interval not null default '5 days',
  add constraint settings_quotes_kept check (quote_stale_after > interval '0' and keep_quotes >= interval '25 hours');
comment on column push.settings.quote_stale_after is
  'A quote older than this when it arrives is kept, and no alert looks at it. Sources that are delayed by 20 minutes are common.';
comment on column push.settings.keep_quotes is
  'How long the course of a symbol is kept. Longer than a market is closed, or the first quote after that has nothing to be compared with.';

create table public.push_quotes (
  -- Compared byte by byte: every quote is looked up by it, several times.
  symbol text collate "C" not null,
  value double precision not null,
  quoted_at timestamptz not null default clock_timestamp(),
  source text,
  lasting boolean not null default false,
  recorded_at timestamptz not null default clock_timestamp(),
  constraint push_quotes_pkey primary key (symbol),
  constraint push_quotes_symbol check (symbol ~ '^[^[:space:][:cntrl:]:{}]+(:[^[:space:][:cntrl:]:{}]+)*$' and octet_length(symbol) <= 64),
  constraint push_quotes_value check (value = 0 or abs(value) between 1e-100 and 1e100),
  constraint push_quotes_quoted_at check (isfinite(quoted_at)),
  constraint push_quotes_source check (octet_length(source) <= 100)
)
-- Room on the page: a new value touches no index.
with (fillfactor = 50);
comment on table public.push_quotes is
  'The newest value of each symbol. Everybody who signs in may read it; the service writes it, and every write is what alerts see.';
comment on column public.push_quotes.symbol is 'What alerts name it by: DAX, BTC/USD, or hierarchical: stock:SKU-7, cpu:web-1.';
comment on column public.push_quotes.value is
  'Any finite number: zero and less are values like others. What a source must not say, its declaration refuses.';
comment on column public.push_quotes.quoted_at is
  'When the value was true. Only a later one replaces it; one that is written without this moment is true now.';
comment on column public.push_quotes.lasting is
  'It holds until the next one, as what is in stock does. Others hold as long as they are fresh (settings.quote_stale_after).';
comment on column public.push_quotes.recorded_at is 'When it was written.';

alter table public.push_quotes enable row level security;
create policy push_quotes_select on public.push_quotes for select to authenticated using (true);

revoke all on public.push_quotes from anon, authenticated, service_role;
grant select on public.push_quotes to authenticated;
grant select, insert, update, delete on public.push_quotes to service_role;

create table push.quote_history (
  symbol text collate "C" not null,
  quoted_at timestamptz not null,
  value double precision not null,
  constraint quote_history_pkey primary key (symbol, quoted_at),
  constraint quote_history_value check (value = 0 or abs(value) between 1e-100 and 1e100),
  constraint quote_history_quoted_at check (isfinite(quoted_at))
);
comment on table push.quote_history is 'What each symbol was quoted at in the last days (settings.keep_quotes), late quotes included.';

-- In the order of its growth: keeping it is an append.
create index quote_history_quoted_at_idx on push.quote_history (quoted_at);

alter table push.quote_history enable row level security;
create policy quote_history_nobody on push.quote_history for all to public using (false);

create function push.decimal(p_number double precision)
returns numeric
language sql
immutable
set search_path = ''
set extra_float_digits = 1
as $$
  -- Not ::numeric, which keeps 15 digits.
  select p_number::text::numeric;
$$;
comment on function push.decimal(double precision) is
  'The number as it was written: 0.3, and not the binary fraction next to it. What is reckoned with these comes out as on paper.';

create function push.change_between(p_from double precision, p_to double precision)
returns double precision
language sql
immutable
set search_path = ''
set extra_float_digits = 1
as $$
  -- As push.decimal() reckons: in binary fractions, from 100 to 129 is less than 29 percent.
  select (p_to::text::numeric - p_from::text::numeric) * 100 / abs(nullif(p_from, 0)::text::numeric);
$$;
comment on function push.change_between(double precision, double precision) is 'From one value to another in percent; null when the first is zero.';

create function push.check_symbol(p_symbol text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_symbol is null or p_symbol !~ '^[^[:space:][:cntrl:]:{}]+(:[^[:space:][:cntrl:]:{}]+)*$' or octet_length(p_symbol) > 64 then
    perform push.refuse(400, 'symbol_malformed', 'A symbol must have 1 to 64 bytes, without spaces or braces.', 'Use a symbol such as DAX or stock:SKU-7.');
  end if;
end;
$$;
comment on function push.check_symbol(text) is 'Refuses what cannot be the symbol of quotes, levels and alerts.';

create function push.change_of(p_symbol text, p_minutes integer, p_value double precision, p_quoted_at timestamptz)
returns double precision
language sql
stable
set search_path = ''
as $$
  -- What it was quoted at last by then, however long before: after a night, that is yesterday's last quote. Asked for as
  -- the last of all up to this symbol and moment: only the primary key has that order. Of one symbol, the planner might go
  -- back through the quotes of all others instead.
  select case when h.symbol = p_symbol then push.change_between(h.value, p_value) end
  from push.quote_history as h
  where (h.symbol, h.quoted_at) <= (p_symbol collate "C", p_quoted_at - make_interval(mins => p_minutes))
  order by h.symbol desc, h.quoted_at desc
  limit 1;
$$;
comment on function push.change_of(text, integer, double precision, timestamptz) is
  'By how many percent a value differs from the symbol''s so many minutes earlier; null when that is not known, or was zero.';

-- writing ------------------------------------------------------------------------------------------------------

create function push.writing_at()
returns timestamptz
language sql
stable
set search_path = ''
as $$
  select coalesce(nullif(current_setting('push.writing_at', true), '')::timestamptz, clock_timestamp());
$$;
comment on function push.writing_at() is
  'The p_now of the function that writes quotes or levels, for the triggers of that; the clock, when they are written directly.';

create function push.after_quote(p_quoted_at timestamptz, p_last timestamptz, p_now timestamptz)
returns timestamptz
language sql
immutable
set search_path = ''
as $$
  -- A last quote of the future is of a clock that was set back since; it would keep out all until then.
  select case when p_last > p_now + interval '2 minutes' then p_quoted_at
    else greatest(p_quoted_at, p_last + interval '1 microsecond') end;
$$;
comment on function push.after_quote(timestamptz, timestamptz, timestamptz) is
  'The moment of a quote that follows the last one: its own, unless that was later.';

create function push.check_quote()
returns trigger
language plpgsql
-- Definer: the service that writes a quote has no access to schema push.
security definer
set search_path = ''
as $$
begin
  new.recorded_at := push.writing_at();
  if tg_op = 'UPDATE' then
    if new.symbol <> old.symbol then
      perform push.refuse(409, 'symbol_changed', 'The symbol of a quote cannot be changed.', 'Insert a new row for the other symbol.');
    end if;
    -- Who says no moment, as an upsert of symbol and value does, means now; also of a value that has not changed.
    if new.quoted_at = old.quoted_at then
      new.quoted_at := push.after_quote(new.recorded_at, old.quoted_at, new.recorded_at);
    end if;
  end if;
  -- It would keep all true ones out until then.
  if new.quoted_at > new.recorded_at + interval '1 minute' then
    perform push.refuse(400, 'quoted_in_future', 'A quote cannot be in the future.', 'Give quoted_at with its time zone, or leave it out.');
  end if;
  return new;
end;
$$;
comment on function push.check_quote() is
  'Notes when a quote was written, and takes one without a moment as one of now; refuses quotes of the future.';

create function push.keep_late_quote()
returns trigger
language plpgsql
-- Definer: as push.check_quote().
security definer
set search_path = ''
as $$
begin
  if old.quoted_at > push.writing_at() + interval '2 minutes' then
    -- The clock was set back: what is said now is the newest.
    return new;
  end if;
  insert into push.quote_history (symbol, quoted_at, value) values (old.symbol, new.quoted_at, new.value)
  on conflict do nothing;
  return null;
end;
$$;
comment on function push.keep_late_quote() is
  'Lets only a later quote replace an earlier one; what comes late goes into the history, and what came before into nothing.';

-- Before the other one, by name; only for those who say when.
create trigger push_quotes_arrive_late
before update of quoted_at on public.push_quotes
for each row when (new.quoted_at <= old.quoted_at)
execute function push.keep_late_quote();

create trigger push_quotes_check
before insert or update on public.push_quotes
for each row execute function push.check_quote();

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
  -- Of several for one moment the first counts. The others are in no round, and so ignored.
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
-- PostgREST takes this over for the request. A crash through the alerts of a hundred thousand users is told in one piece, and
-- a batch that is cut off after the API's 8 seconds would be cut off again and again.
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
  -- whoever records the same ones at the same time waits there, and nobody for each other.
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
    -- What was written is in the history by now, so only what came too late is new to it.
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
  'Says what a symbol''s value is from now on until the next is said, from a trigger of your own: of two transactions, the one that '
  'commits last has said the last. '
  'Null, NaN and the infinities say nothing.';

revoke all on all functions in schema push from public;
revoke all on function public.push_record_quotes(jsonb, timestamptz) from public, anon, authenticated;
grant execute on function public.push_record_quotes(jsonb, timestamptz) to service_role;
