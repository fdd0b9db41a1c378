-- Quotes, the values that alerts watch: prices, and any other number that has a name and changes.
--
-- push_quotes keeps the newest quote of each symbol, and push.quote_history those of the last days, by which changes are
-- measured.

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
  'The newest value of each symbol. Every user who is signed in may read it; the service writes it, and alerts see every write.';
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
comment on table push.quote_history is 'What each symbol was quoted at in the last days (settings.keep_quotes), late quotes included. For the database owner.';

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
  -- The last quote by then, however long before: after a night, that is yesterday's last quote. It is asked for as the last
  -- of all quotes up to this symbol and moment, since only the primary key has that order. Asked for one symbol, the planner
  -- might go back through the quotes of all others instead.
  select case when h.symbol = p_symbol then push.change_between(h.value, p_value) end
  from push.quote_history as h
  where (h.symbol, h.quoted_at) <= (p_symbol collate "C", p_quoted_at - make_interval(mins => p_minutes))
  order by h.symbol desc, h.quoted_at desc
  limit 1;
$$;
comment on function push.change_of(text, integer, double precision, timestamptz) is
  'By how many percent a value differs from the symbol''s so many minutes earlier; null when that is not known, or was zero.';

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
    -- An update without a time, such as an upsert of symbol and value, means now, also for a value that has not changed.
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
    -- The clock was set back: the value recorded now is the newest.
    return new;
  end if;
  insert into push.quote_history (symbol, quoted_at, value) values (old.symbol, new.quoted_at, new.value)
  on conflict do nothing;
  return null;
end;
$$;
comment on function push.keep_late_quote() is
  'Lets only a later quote replace an earlier one; a late one goes only into the history, and one that is there already is ignored.';

-- Its name sorts before that of the other trigger. Only for updates that give a time.
create trigger push_quotes_arrive_late
before update of quoted_at on public.push_quotes
for each row when (new.quoted_at <= old.quoted_at)
execute function push.keep_late_quote();

create trigger push_quotes_check
before insert or update on public.push_quotes
for each row execute function push.check_quote();
