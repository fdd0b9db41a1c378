-- Levels, values by name that move: yesterday's high, a pivot point, or whatever the service writes. Alerts name
-- them and follow them.
--
-- Those of a market's days come from its sessions. A session is "yesterday" from the midnight after it, by the clock of
-- its exchange, until the midnight after the next one: on Monday, and on Sunday, yesterday is Friday.

create table public.push_levels (
  symbol text collate "C" not null,
  level text collate "C" not null,
  value double precision not null,
  session_date date,
  timezone text,
  updated_at timestamptz not null default clock_timestamp(),
  constraint push_levels_pkey primary key (symbol, level),
  constraint push_levels_symbol check (symbol ~ '^[^[:space:][:cntrl:]:{}]+(:[^[:space:][:cntrl:]:{}]+)*$' and octet_length(symbol) <= 64),
  constraint push_levels_level check (level ~ '^[a-z0-9][a-z0-9_]{0,49}$'),
  constraint push_levels_value check (value = 0 or abs(value) between 1e-100 and 1e100),
  constraint push_levels_timezone check (octet_length(timezone) <= 100)
);
comment on table public.push_levels is
  'Values by name that alerts follow. Every user who is signed in may read them; the service writes its own, push_record_session() those of sessions.';
comment on column public.push_levels.level is 'yesterday_high, pivot_point, or a name of your own: 1 to 50 of a-z 0-9 _';
comment on column public.push_levels.session_date is 'The session that it is of, by the calendar of the exchange; null when it is of none.';

alter table public.push_levels enable row level security;
create policy push_levels_select on public.push_levels for select to authenticated using (true);

revoke all on public.push_levels from anon, authenticated, service_role;
grant select on public.push_levels to authenticated;
grant select, insert, update, delete on public.push_levels to service_role;

create function push.note_level()
returns trigger
language plpgsql
-- Definer: the service that writes levels may not use schema push.
security definer
set search_path = ''
as $$
begin
  new.updated_at := push.writing_at();
  return new;
end;
$$;
comment on function push.note_level() is 'Notes when a level was written.';

create trigger push_levels_note
before insert or update on public.push_levels
for each row execute function push.note_level();

create table push.sessions (
  symbol text collate "C" not null,
  session_date date not null,
  open double precision,
  high double precision not null,
  low double precision not null,
  close double precision not null,
  timezone text not null,
  counts_from timestamptz not null,
  applied_at timestamptz,
  constraint sessions_pkey primary key (symbol, session_date)
);
comment on table push.sessions is 'Days of trading, as recorded by push_record_session(). For the database owner.';
comment on column push.sessions.counts_from is 'The midnight after it, at the exchange: from then on it is yesterday.';
comment on column push.sessions.applied_at is 'When its levels were written, or a later session''s were there already. Null: it waits for that.';

create index sessions_waiting_idx on push.sessions (counts_from) where applied_at is null;
create index sessions_applied_idx on push.sessions (applied_at) where applied_at is not null;

alter table push.sessions enable row level security;
create policy sessions_nobody on push.sessions for all to public using (false);

create function push.session_levels(p_session push.sessions)
returns table (level text, value double precision)
language sql
immutable
set search_path = ''
as $$
  select l.level, l.value::double precision
  from (
    select push.decimal(p_session.high) as high, push.decimal(p_session.low) as low, push.decimal(p_session.close) as close
  ) as s
  -- A third has no end. Two places more than the prices have are closer than any of them can be.
  cross join lateral (
    select round((s.high + s.low + s.close) / 3, 2 + greatest(scale(s.high), scale(s.low), scale(s.close))) as pivot
  ) as p
  cross join lateral (values
    ('yesterday_high', s.high),
    ('yesterday_low', s.low),
    ('yesterday_close', s.close),
    ('pivot_point', p.pivot),
    ('resistance_1', 2 * p.pivot - s.low),
    ('support_1', 2 * p.pivot - s.high),
    ('resistance_2', p.pivot + s.high - s.low),
    ('support_2', p.pivot - s.high + s.low)
  ) as l (level, value);
$$;
comment on function push.session_levels(push.sessions) is
  'The levels of the day after a session: its high, low and close, the pivot point (H + L + C) / 3, and what classic pivots make of that.';

create function push.apply_sessions(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  perform set_config('push.writing_at', p_now::text, true);
  with due as (
    select s.* from push.sessions as s
    where s.applied_at is null and s.counts_from <= p_now
    order by s.counts_from
    limit p_limit
    for update skip locked
  ), applied as (
    update push.sessions as s set applied_at = p_now from due as d
    where s.symbol = d.symbol and s.session_date = d.session_date
  ), newest as (
    select distinct on (d.symbol) d.* from due as d order by d.symbol, d.session_date desc
  )
  insert into public.push_levels as l (symbol, level, value, session_date, timezone)
  select n.symbol, v.level, v.value, n.session_date, n.timezone
  from newest as n
  cross join lateral push.session_levels(n::push.sessions) as v
  order by n.symbol, v.level collate "C"
  on conflict (symbol, level) do update
  set value = excluded.value, session_date = excluded.session_date, timezone = excluded.timezone
  -- A session that is recorded late, after the one that followed it, is no longer yesterday.
  where l.session_date is null or l.session_date <= excluded.session_date;
  get diagnostics v_count = row_count;
  perform set_config('push.writing_at', '', true);
  return v_count;
end;
$$;
comment on function push.apply_sessions(integer, timestamptz) is
  'Writes the levels of sessions that have become yesterday; returns how many levels. Run by pg_cron.';

create function push.record_session(
  p_symbol text,
  p_session_date date,
  p_open double precision,
  p_high double precision,
  p_low double precision,
  p_close double precision,
  p_timezone text,
  p_now timestamptz default clock_timestamp()
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform push.check_symbol(p_symbol);
  if (
    p_high >= p_low and p_close between p_low and p_high and (p_open is null or p_open between p_low and p_high)
    and (p_high = 0 or abs(p_high) between 1e-90 and 1e90) and (p_low = 0 or abs(p_low) between 1e-90 and 1e90)
    and p_session_date between '1900-01-01' and (p_now + interval '2 days')::date
  ) is not true then
    perform push.refuse(400, 'session_invalid', 'This is not a valid session.',
      'Give its date, and high, low and close as numbers. Close, and open if given, must be between low and high.');
  end if;
  perform push.check_timezone(p_timezone);

  insert into push.sessions as s (symbol, session_date, open, high, low, close, timezone, counts_from)
  values (p_symbol, p_session_date, p_open, p_high, p_low, p_close, p_timezone,
    (p_session_date + 1)::timestamp at time zone p_timezone)
  on conflict (symbol, session_date) do update
  set open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, timezone = excluded.timezone,
      counts_from = excluded.counts_from, applied_at = null
  where (s.open, s.high, s.low, s.close, s.timezone) is distinct from
    (excluded.open, excluded.high, excluded.low, excluded.close, excluded.timezone);
  perform push.apply_sessions(100, p_now);
end;
$$;
comment on function push.record_session(text, date, double precision, double precision, double precision, double precision, text, timestamptz) is
  'Takes one day of trading: its levels (yesterday_high, …) hold from the midnight after it by the exchange''s clock. Told again, it is corrected. For the database owner.

p_timezone: That of the exchange, such as Europe/Berlin.';

create function public.push_record_session(
  p_symbol text,
  p_session_date date,
  p_open double precision,
  p_high double precision,
  p_low double precision,
  p_close double precision,
  p_timezone text,
  p_now timestamptz default clock_timestamp()
)
returns void
language sql
-- Definer: servers may not use schema push.
security definer
set search_path = ''
as $$
  select push.record_session(p_symbol, p_session_date, p_open, p_high, p_low, p_close, p_timezone, p_now);
$$;
comment on function public.push_record_session(text, date, double precision, double precision, double precision, double precision, text, timestamptz) is
  'push.record_session() for servers. Service role only.';

revoke all on function public.push_record_session(text, date, double precision, double precision, double precision, double precision, text, timestamptz)
from public, anon, authenticated;
grant execute on function public.push_record_session(text, date, double precision, double precision, double precision, double precision, text, timestamptz)
to service_role;
