-- push.define_quote_source() and push.drop_quote_source().

create function push.define_quote_source(
  p_name text,
  p_adapter text,
  p_url text,
  p_value_at text,
  p_symbol_at text default null,
  p_time_at text default null,
  p_headers jsonb default '{}',
  p_symbols jsonb default '{}',
  p_symbol_pattern text default null,
  p_precedence integer default 100,
  p_batch_size integer default null,
  p_every interval default '60 seconds',
  p_timeout interval default '10 seconds',
  p_max_bytes integer default 1000000,
  p_value_above numeric default 0,
  p_fallback_after interval default '3 minutes',
  p_timezone text default 'UTC',
  p_delimiter text default ',',
  p_separator text default ','
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_source push.quote_sources;
begin
  v_source.name := p_name;
  v_source.adapter := p_adapter;
  v_source.url := p_url;
  v_source.headers := p_headers;
  v_source.value_at := p_value_at;
  v_source.symbol_at := p_symbol_at;
  v_source.time_at := p_time_at;
  v_source.timezone := p_timezone;
  v_source.delimiter := p_delimiter;
  v_source.separator := p_separator;
  v_source.symbols := p_symbols;
  v_source.symbol_pattern := p_symbol_pattern;
  v_source.batch_size := coalesce(p_batch_size, case when strpos(p_url, '{symbols}') > 0 then 50 else 1 end);
  v_source.precedence := p_precedence;
  v_source.fallback_after := p_fallback_after;
  v_source.every := p_every;
  v_source.timeout := p_timeout;
  v_source.max_bytes := p_max_bytes;
  v_source.value_above := p_value_above;
  v_source.next_attempt_at := '-infinity';
  v_source.rung := 0;
  v_source.failures := 0;
  perform push.check_quote_source(v_source);
  -- Declared anew: what was learned about it, and what was put aside, may no longer hold.
  delete from push.quote_sources as s where s.name = p_name;
  perform push.resolve_alarm('quote_source_failing', p_name);
  insert into push.quote_sources select v_source.*;
  perform push.schedule_jobs();
end;
$$;
comment on function push.define_quote_source(
  text, text, text, text, text, text, jsonb, jsonb, text, integer, integer, interval, interval, integer, numeric, interval, text, text, text
) is
  'Declares a source of quotes, or declares it anew. The first one starts the job that rings push-quotes. For the database owner.';

create function push.drop_quote_source(p_name text)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  delete from push.quote_sources as s where s.name = p_name;
  if not found then
    return false;
  end if;
  perform push.resolve_alarm('quote_source_failing', p_name);
  if not exists (select from push.quote_sources) then
    -- A project without sources has no job for them.
    perform push.schedule_jobs();
    perform push.resolve_alarm('quotes_not_fetched', '');
  end if;
  return true;
end;
$$;
comment on function push.drop_quote_source(text) is 'Forgets a source of quotes; what it gave stays. False when there is none of that name. For the database owner.';
