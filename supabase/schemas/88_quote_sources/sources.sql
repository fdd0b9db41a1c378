-- Sources of quotes. The Edge Function push-quotes asks them; which source is asked, for what and when is decided here.
--
-- A run of the function asks push_quote_plan() what is due. Each source comes with a lease, so that two runs never ask
-- the same one, and is reported on its own with push_quote_report(): one that hangs does not delay the others.

alter table push.settings
  add column quote_failures integer not null default 3,
  add column quote_backoff_max interval not null default '15 minutes',
  add column quote_lease interval not null default '90 seconds',
  add column quote_trials_per_user integer not null default 50,
  add column quote_trial_requests integer not null default 10,
  add column local_quote_server text,
  add constraint settings_quotes check (
    quote_failures > 0 and quote_backoff_max > interval '0' and quote_lease >= interval '30 seconds'
    and quote_trials_per_user > 0 and quote_trial_requests > 0
  ),
  -- This machine's loopback alone: everything else is asked over https, at a public address.
  add constraint settings_local_quote_server check (
    local_quote_server ~ '^http://127\.0\.0\.1:[0-9]{1,5}$' and push.has_usable_host(local_quote_server)
  );
comment on column push.settings.quote_failures is 'Failures in a row that raise an alarm about a source of quotes.';
comment on column push.settings.quote_backoff_max is 'Longest wait before a source of quotes that keeps failing is asked again.';
comment on column push.settings.quote_lease is 'How long one run of push-quotes has a source of quotes to itself.';
comment on column push.settings.quote_trials_per_user is
  'Symbols that a source has never given, and is asked for in one run because of one user. Users can make up symbols.';
comment on column push.settings.quote_trial_requests is
  'Requests to a source in one run for symbols that it has never given. Those it gives are asked for before, and not limited by this.';
comment on column push.settings.local_quote_server is
  'The one address on this machine that may be asked for quotes: written by the local stack into its own database. Null everywhere else.';

create table push.quote_sources (
  name text not null,
  adapter text not null,
  url text not null,
  headers jsonb not null,
  value_at text not null,
  symbol_at text,
  time_at text,
  timezone text not null,
  delimiter text not null,
  separator text not null,
  symbols jsonb not null,
  symbol_pattern text,
  batch_size integer not null,
  precedence integer not null,
  fallback_after interval not null,
  every interval not null,
  timeout interval not null,
  max_bytes integer not null,
  value_above numeric,
  next_attempt_at timestamptz not null,
  lease uuid,
  leased_until timestamptz,
  trial_lease uuid,
  next_trial_at timestamptz,
  rung integer not null default 0,
  failures integer not null default 0,
  last_attempt_at timestamptz,
  last_success_at timestamptz,
  last_error_at timestamptz,
  last_error_code text,
  last_error text,
  last_run jsonb,
  constraint quote_sources_pkey primary key (name),
  constraint quote_sources_name check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  constraint quote_sources_adapter check (adapter in ('json', 'csv')),
  constraint quote_sources_objects check (jsonb_typeof(headers) = 'object' and jsonb_typeof(symbols) = 'object'),
  constraint quote_sources_delimiter check (length(delimiter) = 1 and delimiter not in ('"', chr(10), chr(13))),
  constraint quote_sources_separator check (separator ~ '^[A-Za-z0-9,;|+%._~-]{1,16}$'),
  constraint quote_sources_batch_size check (batch_size between 1 and 500),
  -- The report comes before the lease is over: the timeout is for one request, and there may be a few.
  constraint quote_sources_timeout check (timeout between interval '1 second' and interval '20 seconds'),
  constraint quote_sources_max_bytes check (max_bytes between 1000 and 10000000),
  constraint quote_sources_intervals check (every >= interval '1 second' and fallback_after >= interval '0'),
  constraint quote_sources_value_above check (value_above not in ('NaN', 'Infinity', '-Infinity'))
);
comment on table push.quote_sources is
  'Where quotes are fetched from, as declared by push.define_quote_source(), and how each of these sources is doing. For the database owner.';
comment on column push.quote_sources.name is 'What the source is called.';
comment on column push.quote_sources.adapter is 'How its answers are read: json or csv.';
comment on column push.quote_sources.symbol_at is 'Where the symbol of a value stands; null where an answer is about one symbol.';
comment on column push.quote_sources.time_at is 'Where the time of a value stands; null: the value is of when it arrives.';
comment on column push.quote_sources.delimiter is 'Between the columns of CSV.';
comment on column push.quote_sources.separator is 'Between the symbols in the URL.';
comment on column push.quote_sources.batch_size is 'Symbols in one request; 50 unless given where the URL has {symbols}, otherwise 1.';
comment on column push.quote_sources.fallback_after is
  'How long the sources before it may have given no value of a symbol, until this one is asked for it.';
comment on column push.quote_sources.every is 'How often it is asked.';
comment on column push.quote_sources.timeout is 'For one request, from looking the name up to the last byte.';
comment on column push.quote_sources.max_bytes is 'The longest answer that is read.';
comment on column push.quote_sources.url is 'Template: {symbols} is a batch, {symbol} one symbol, {secret:PUSH_QUOTES_…} a function secret.';
comment on column push.quote_sources.headers is 'Name to value; values may hold {secret:PUSH_QUOTES_…}, never a secret itself.';
comment on column push.quote_sources.value_at is 'Where a value stands: a JSON path such as data[*].last, a CSV column by name or number.';
comment on column push.quote_sources.timezone is 'Of times that name none.';
comment on column push.quote_sources.symbols is 'Our symbol to the source''s, such as {"DAX": "^GDAXI"}; others are called the same there.';
comment on column push.quote_sources.symbol_pattern is 'Regular expression of the symbols it serves as a whole, beside those mapped. Null: all, or those mapped where any is.';
comment on column push.quote_sources.trial_lease is
  'Of a run that asks it for symbols on trial (push.quote_source_symbols.has_given), beside the one that asks it for those it gives: neither waits for the '
  'other, and how a trial goes says nothing about the source.';
comment on column push.quote_sources.precedence is 'The lowest number is asked first; others when it has given nothing for fallback_after.';
comment on column push.quote_sources.value_above is 'What is not greater is no quote. Null: every number is, as for temperatures.';
comment on column push.quote_sources.lease is 'The run of push-quotes that has it; a report of another is ignored.';
comment on column push.quote_sources.rung is 'Times the function was called while it was due, and did not come.';
comment on column push.quote_sources.failures is 'In a row.';
comment on column push.quote_sources.last_run is 'What came of the last run: requests, quotes, recorded, refused, rejected and an example of it.';

alter table push.quote_sources enable row level security;
create policy quote_sources_nobody on push.quote_sources for all to public using (false);

create table push.quote_source_symbols (
  source text not null,
  symbol text not null,
  given_at timestamptz not null,
  has_given boolean not null default false,
  missing_since timestamptz,
  asked_again_at timestamptz,
  refused boolean not null default false,
  constraint quote_source_symbols_pkey primary key (source, symbol),
  constraint quote_source_symbols_source_fkey foreign key (source) references push.quote_sources (name) on delete cascade
);
comment on table push.quote_source_symbols is 'What is known of each watched symbol at each source that serves it.';
comment on column push.quote_source_symbols.given_at is 'When the source last gave a quote of it; before the first, since when it is watched.';
comment on column push.quote_source_symbols.has_given is
  'Whether it has given one, and has not refused it since, nor been asked for it in vain for 30 days. What its declaration names counts as given. Others '
  'are on trial: users only believe them to exist.';
comment on column push.quote_source_symbols.missing_since is 'When it was first asked for in vain. Null: not since it was given.';
comment on column push.quote_source_symbols.asked_again_at is 'On trial, it is not asked for before: the wait doubles each time.';
comment on column push.quote_source_symbols.refused is 'The source has said that it does not know it; sources of lower precedence need not wait then.';

alter table push.quote_source_symbols enable row level security;
create policy quote_source_symbols_nobody on push.quote_source_symbols for all to public using (false);

create function push.check_quote_source(p_source push.quote_sources)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_path constant text := '^([A-Za-z_][A-Za-z0-9_-]*|\{symbol\}|\[[0-9]{1,4}\]|\[\*\]|\["[^"\\]{1,100}"\])'
    || '(\.[A-Za-z_][A-Za-z0-9_-]*|\.\{symbol\}|\[[0-9]{1,4}\]|\[\*\]|\["[^"\\]{1,100}"\])*$';
  -- Names alone, no address in any spelling; what they lead to is looked at before each request.
  c_url constant text := '^https://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9](:[0-9]{1,5})?/[^\s#\\]*$';
  v_local text := (select s.local_quote_server from push.settings as s);
  -- Placeholders taken out, after which no brace may be left.
  v_bare text := regexp_replace(p_source.url, '\{(symbols?|secret:PUSH_QUOTES_[A-Z0-9_]+)\}', '', 'g');
  v_header record;
  v_path text;
begin
  if p_source.adapter is null or p_source.adapter not in ('json', 'csv') then
    perform push.refuse(400, 'quote_adapter_unknown', 'The adapter must be json or csv.', 'Choose the format in which the source answers.');
  end if;
  if p_source.url is null or v_bare ~ '[{}]' or length(p_source.url) > 2000
    or ((v_bare !~ c_url or not push.has_usable_host(v_bare)) and (v_local is null or not starts_with(v_bare, v_local || '/')))
    -- In path and query alone: who is asked must not depend on what is asked for.
    or split_part(p_source.url, '/', 3) ~ '[{}]' then
    perform push.refuse(400, 'quote_url_invalid',
      'The URL must be https, with a host name and a path, and not in a private network.',
      'Use something like https://api.example.com/quotes?symbols={symbols}. Insert a key as {secret:PUSH_QUOTES_KEY}.');
  end if;
  if strpos(p_source.url, '{symbols}') > 0 and strpos(p_source.url, '{symbol}') > 0 then
    perform push.refuse(400, 'quote_url_invalid', 'The URL contains both {symbol} and {symbols}.', 'Use only one of them.');
  end if;
  if p_source.batch_size > 1 and strpos(p_source.url, '{symbols}') = 0 then
    perform push.refuse(400, 'quote_batch_invalid', 'A batch of several symbols needs {symbols} in the URL.',
      'Use {symbols}, or a batch size of 1.');
  end if;
  for v_header in select h.key, h.value from jsonb_each(p_source.headers) as h loop
    if v_header.key !~ '^[A-Za-z0-9-]{1,64}$' or lower(v_header.key) in ('host', 'content-length', 'connection')
      or jsonb_typeof(v_header.value) <> 'string' or v_header.value #>> '{}' !~ '^[ -~]*$' or length(v_header.value #>> '{}') > 1000
      or regexp_replace(v_header.value #>> '{}', '\{secret:PUSH_QUOTES_[A-Z0-9_]+\}', '', 'g') ~* '\{|\}|secret:' then
      perform push.refuse(400, 'quote_header_invalid', format('The header %s cannot be sent.', left(v_header.key, 64)),
        'Values must be printable ASCII. Insert a function secret as {secret:PUSH_QUOTES_KEY}; its name must start with PUSH_QUOTES_.');
    end if;
  end loop;
  if p_source.adapter = 'json' then
    foreach v_path in array array_remove(array[p_source.value_at, p_source.symbol_at, p_source.time_at], null) loop
      if v_path !~ c_path or v_path ~ '\[\*\].*\[\*\]' then
        perform push.refuse(400, 'quote_path_invalid', format('%s is not a path.', left(v_path, 100)),
          'Write keys with dots (data.last), an index ([0]), all items of a list (data[*].last), other keys (["a b"]), or the symbol as a key ({symbol}).');
      end if;
    end loop;
    if (strpos(p_source.value_at, '[*]') > 0) <> (coalesce(strpos(p_source.symbol_at, '[*]'), 0) > 0) then
      perform push.refuse(400, 'quote_path_invalid', 'If the path of the value contains [*], the path of the symbol must contain it too.',
        'For instance data[*].last and data[*].symbol.');
    end if;
  end if;
  if p_source.value_at is null
    or (p_source.batch_size > 1 and p_source.symbol_at is null
      and (p_source.adapter = 'csv' or strpos(p_source.value_at, '{symbol}') = 0)) then
    perform push.refuse(400, 'quote_symbol_missing', 'It is not clear which symbol a value belongs to.',
      'Give p_value_at and p_symbol_at. In JSON, {symbol} can be a key in the path.');
  end if;
  if exists (
    select from jsonb_each(p_source.symbols) as s where jsonb_typeof(s.value) <> 'string' or s.value #>> '{}' in ('', '.', '..')
  ) then
    perform push.refuse(400, 'quote_symbols_invalid', 'The symbol mapping must be an object of texts.',
      'Use something like {"DAX": "^GDAXI"}.');
  end if;
  begin
    perform '' ~ p_source.symbol_pattern;
  exception when invalid_regular_expression then
    perform push.refuse(400, 'quote_pattern_invalid', 'The symbol pattern is not a regular expression: ' || sqlerrm,
      'For instance [A-Z]+ or crypto:.*');
  end;
  begin
    perform now() at time zone p_source.timezone;
  exception when invalid_parameter_value then
    perform push.refuse(400, 'quote_timezone_unknown', 'Unknown time zone.', 'For instance Europe/Berlin.');
  end;
end;
$$;
comment on function push.check_quote_source(push.quote_sources) is 'Refuses a source of quotes that could not work, or leads where it must not.';

create function push.serves(p_source push.quote_sources, p_symbol text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select p_source.symbols ? p_symbol or case
    when p_source.symbol_pattern is null then p_source.symbols = '{}'
    else p_symbol ~ ('^(?:' || p_source.symbol_pattern || ')$')
  end;
$$;
comment on function push.serves(push.quote_sources, text) is 'Whether a source of quotes is asked for a symbol.';
