-- The keys of a subscription: base64url, and points on the curve P-256.

create function push.decode_base64url(p_text text)
returns bytea
language plpgsql
immutable
strict
set search_path = ''
as $$
declare
  v_bytes bytea;
begin
  if p_text !~ '^[A-Za-z0-9_-]+$' or length(p_text) % 4 = 1 or length(p_text) > 1024 then
    return null;
  end if;
  v_bytes := decode(translate(p_text, '-_', '+/') || repeat('=', (4 - length(p_text) % 4) % 4), 'base64');
  -- One spelling only: bits beyond the last byte must be zero, or one key could be written in several ways.
  if translate(rtrim(replace(encode(v_bytes, 'base64'), chr(10), ''), '='), '+/', '-_') <> p_text then
    return null;
  end if;
  return v_bytes;
end;
$$;
comment on function push.decode_base64url(text) is 'Bytes of unpadded base64url (RFC 4648 section 5), null when it is anything else.';

create function push.as_base64url(p_text text)
returns text
language sql
immutable
set search_path = ''
as $$
  -- Base64 comes with + and /, with padding, and in lines of 76 from some encoders.
  select rtrim(translate(p_text, E'+/ \t\r\n', '-_'), '=');
$$;
comment on function push.as_base64url(text) is 'A key that was written in any base64, as unpadded base64url; anything else comes out as something else that is none.';

create function push.unsigned(p_bytes bytea)
returns numeric
language plpgsql
immutable
strict
set search_path = ''
as $$
declare
  v_value numeric := 0;
begin
  for i in 0 .. length(p_bytes) - 1 loop
    v_value := v_value * 256 + get_byte(p_bytes, i);
  end loop;
  return v_value;
end;
$$;
comment on function push.unsigned(bytea) is 'The big-endian unsigned number in these bytes.';

create function push.is_p256_point(p_bytes bytea)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
declare
  -- Parameters of P-256 (FIPS 186-5, SP 800-186): y² = x³ − 3x + b over the field of p.
  c_p constant numeric := 115792089210356248762697446949407573530086143415290314195533631308867097853951;
  c_b constant numeric := 41058363725152142129326129780047268409114441015993725554835256314039467401291;
  v_x numeric;
  v_y numeric;
begin
  if p_bytes is null or length(p_bytes) <> 65 or get_byte(p_bytes, 0) <> 4 then
    return false;
  end if;
  v_x := push.unsigned(substr(p_bytes, 2, 32));
  v_y := push.unsigned(substr(p_bytes, 34, 32));
  if v_x >= c_p or v_y >= c_p then
    return false;
  end if;
  return mod(v_y * v_y, c_p) = mod(mod(mod(v_x * v_x, c_p) * v_x, c_p) + c_p * 3 - v_x * 3 + c_b, c_p);
end;
$$;
comment on function push.is_p256_point(bytea) is
  'Whether these bytes are an uncompressed point on P-256, as a push subscription''s p256dh must be (RFC 8291).';
