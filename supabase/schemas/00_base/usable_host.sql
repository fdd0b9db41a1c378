-- Host names that can be reached: what a URL that we are given may name.

create function push.has_usable_host(p_url text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select p_url ~ '^https?://([^/?#:@%.[:space:]]+\.)*[^/?#:@%.[:space:]]+\.?(:[0-9]{1,5})?([/?#]|$)'
    and coalesce(substring(p_url from '^https?://[^/?#]*:([0-9]{1,5})(?:[/?#]|$)'), '443')::integer between 1 and 65535;
$$;
comment on function push.has_usable_host(text) is
  'Whether a URL names a host without empty parts (https://a..b) and without userinfo, and no port but 1 to 65535.';
