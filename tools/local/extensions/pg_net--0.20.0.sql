-- A stand-in for pg_net 0.20 in plain SQL: the same tables, functions, defaults, errors and grants, worked by
-- tools/local/workers/pg-net-worker.ts. It is `trusted`, so the superuser owns what it makes, for every role that creates it:
-- as on hosted Supabase, `postgres` can use `net` but not index, alter or configure it.
--
-- Different from the real one: no _await_response and the deprecated http_collect_response.

create schema net;

create domain net.http_method as text check (lower(value) in ('get', 'post', 'delete'));

-- Unlogged, as in the real one: a crash of the server empties both tables and restarts the ids.
create unlogged table net.http_request_queue (
  id bigserial,
  method net.http_method not null,
  url text not null,
  headers jsonb,
  body bytea,
  timeout_milliseconds integer not null
);

create unlogged table net._http_response (
  id bigint,
  status_code integer,
  content_type text,
  headers jsonb,
  content text,
  timed_out boolean,
  error_msg text,
  created timestamptz not null default now()
);

create index _http_response_created_idx on net._http_response (created);

-- A notification is delivered after commit and once per transaction, which is when pg_net wakes its worker.
create function net.wake() returns void
language sql
as $$ select pg_catalog.pg_notify('pg_net_wake', '') $$;

create function net.worker_restart() returns boolean
language sql
as $$ select true from net.wake() $$;

create function net.check_worker_is_up() returns void
language plpgsql
as $$
begin
  if not exists (select from pg_catalog.pg_stat_activity where application_name like 'pg_net %') then
    raise exception 'the pg_net background worker is not up';
  end if;
end
$$;

create function net.wait_until_running() returns void
language plpgsql
as $$
begin
  while not exists (select from pg_catalog.pg_stat_activity where application_name like 'pg_net %') loop
    perform pg_catalog.pg_sleep(0.05);
    perform pg_catalog.pg_stat_clear_snapshot();
  end loop;
end
$$;

-- RFC 3986: unreserved characters stay, every other byte becomes %XX.
create function net._urlencode_string(string varchar) returns text
language sql immutable strict
as $$
  select coalesce(
    pg_catalog.string_agg(
      case
        when byte between 48 and 57 or byte between 65 and 90 or byte between 97 and 122 or byte in (45, 46, 95, 126)
          then pg_catalog.chr(byte)
        else '%' || pg_catalog.lpad(pg_catalog.upper(pg_catalog.to_hex(byte)), 2, '0')
      end,
      '' order by position
    ),
    ''
  )
  from (select pg_catalog.convert_to(string, 'UTF8') as bytes) as encoded,
    pg_catalog.generate_series(0, pg_catalog.length(bytes) - 1) as position,
    pg_catalog.get_byte(bytes, position) as byte
$$;

-- Raises what curl's parser refuses, and like it writes an empty path as `/`. A NULL URL stays NULL and then
-- violates the queue's NOT NULL: either way the caller's transaction is aborted. The parser takes every scheme that curl
-- was built with; that pg_net sends http and https alone shows when it comes to sending.
create function net._encode_url_with_params_array(url text, params_array text[]) returns text
language plpgsql immutable
as $$
declare
  scheme constant text :=
    '(?:https?|wss?|ftps?|file|dict|gophers?|imaps?|ldaps?|mqtt|pop3s?|rtsp|scp|sftp|smbs?|smtps?|telnet|tftp)://';
  parts text[];
  encoded text;
begin
  if url is null then
    return null;
  end if;
  if url !~* ('^' || scheme) then
    raise exception using errcode = 'XX000', message = pg_catalog.format('invalid URL "%s": unsupported scheme', url);
  end if;
  parts := pg_catalog.regexp_match(
    url,
    '^(' || scheme || ')((?<=file://)|(?:[^\s/?#@]*@)?(?:\[[0-9a-f:.]+\]|[^\s/?#@:\[\]<>"''`{}|\\^%]+)(?::(\d{1,5}))?)([^\s?#]*)(\?[^\s#]*)?(#\S*)?$',
    'i'
  );
  if parts is null or url ~ '[[:cntrl:]]' or parts[3]::integer > 65535 then
    raise exception using errcode = 'XX000', message = pg_catalog.format('invalid URL "%s": malformed', url);
  end if;
  encoded := pg_catalog.array_to_string(params_array, '&');
  return parts[1] || parts[2]
    || case when parts[4] = '' then '/' else parts[4] end
    || case
      when encoded = '' then coalesce(parts[5], '')
      when coalesce(parts[5], '?') = '?' then '?' || encoded
      else parts[5] || '&' || encoded
    end
    || coalesce(parts[6], '');
end
$$;

create function net._encode_url(url text, params jsonb) returns text
language sql stable
as $$
  select net._encode_url_with_params_array(
    url,
    array(
      select net._urlencode_string(key) || '=' || net._urlencode_string(value)
      from pg_catalog.jsonb_each_text(params)
      where value is not null
    )
  )
$$;

-- Security invoker and without search_path, as on hosted projects (self-hosted ones differ: see the documentation
-- of Supabase). Callers therefore need the grants on the tables that stand at the end of this file.
create function net.http_get(
  url text,
  params jsonb default '{}'::jsonb,
  headers jsonb default '{}'::jsonb,
  timeout_milliseconds integer default 5000
) returns bigint
language plpgsql
as $$
declare
  request_id bigint;
begin
  insert into net.http_request_queue (method, url, headers, timeout_milliseconds)
  values ('GET', net._encode_url(http_get.url, params), http_get.headers, http_get.timeout_milliseconds)
  returning id into request_id;
  perform net.wake();
  return request_id;
end
$$;

create function net.http_post(
  url text,
  body jsonb default '{}'::jsonb,
  params jsonb default '{}'::jsonb,
  headers jsonb default '{"Content-Type": "application/json"}'::jsonb,
  timeout_milliseconds integer default 5000
) returns bigint
language plpgsql
as $$
declare
  request_id bigint;
  content_type text;
begin
  select value into content_type
  from pg_catalog.jsonb_each_text(coalesce(http_post.headers, '{}'::jsonb))
  where pg_catalog.lower(key) = 'content-type'
  limit 1;
  -- Not even a charset is let through.
  if content_type <> 'application/json' then
    raise exception 'Content-Type header must be "application/json"';
  end if;
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  values (
    'POST',
    net._encode_url(http_post.url, params),
    case
      when content_type is null then http_post.headers || '{"Content-Type": "application/json"}'::jsonb
      else http_post.headers
    end,
    pg_catalog.convert_to(http_post.body::text, 'UTF8'),
    http_post.timeout_milliseconds
  )
  returning id into request_id;
  perform net.wake();
  return request_id;
end
$$;

create function net.http_delete(
  url text,
  params jsonb default '{}'::jsonb,
  headers jsonb default '{}'::jsonb,
  timeout_milliseconds integer default 5000,
  body jsonb default null
) returns bigint
language plpgsql
as $$
declare
  request_id bigint;
begin
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  values (
    'DELETE',
    net._encode_url(http_delete.url, params),
    http_delete.headers,
    pg_catalog.convert_to(http_delete.body::text, 'UTF8'),
    http_delete.timeout_milliseconds
  )
  returning id into request_id;
  perform net.wake();
  return request_id;
end
$$;

-- As in the real one, every role that reaches the database can read and empty the queue, with headers in plaintext.
grant usage on schema net to public;
grant all on all sequences in schema net to public;
grant all on all tables in schema net to public;
