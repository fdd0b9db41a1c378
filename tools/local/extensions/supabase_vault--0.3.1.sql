-- A stand-in for Supabase Vault 0.3: the same table, view, functions, errors and grants.
--
-- Different from the real one: NOTHING IS ENCRYPTED. `vault.secrets.secret` holds base64, so that code which reads the
-- wrong column gets no usable secret here either, but a user who can read the disk can read the secrets. For local data only.
-- What can be read is decided as by the real one: 32 bytes at the end bind an entry to its id, its nonce and the key of
-- this server, so that what another server's key has written, or what was moved to another row, does not decrypt.

-- The server's own number stands for the key that a project has. Definer: it is for superusers to see.
create function vault._tag(message bytea, additional bytea, nonce bytea) returns bytea
language sql stable security definer set search_path = ''
as $$
  select pg_catalog.sha256(
    pg_catalog.convert_to(system_identifier::text, 'UTF8') || additional || nonce || message
  )
  from pg_catalog.pg_control_system()
$$;

create function vault._crypto_aead_det_encrypt(
  message bytea, additional bytea, key_id bigint, context bytea default 'pgsodium', nonce bytea default null
) returns bytea
language sql stable security definer set search_path = ''
as $$ select message || vault._tag(message, additional, coalesce(nonce, '')) $$;

create function vault._crypto_aead_det_decrypt(
  message bytea, additional bytea, key_id bigint, context bytea default 'pgsodium', nonce bytea default null
) returns bytea
language plpgsql stable security definer set search_path = ''
as $$
declare
  length integer := pg_catalog.length(message) - 32;
  content bytea;
begin
  if length <= 0 then
    raise exception using
      errcode = 'data_exception', message = 'pgsodium_crypto_aead_det_decrypt_by_id: invalid message';
  end if;
  content := pg_catalog.substring(message, 1, length);
  if pg_catalog.substring(message, length + 1) <> vault._tag(content, additional, coalesce(nonce, '')) then
    raise exception using
      errcode = 'data_exception', message = 'pgsodium_crypto_aead_det_decrypt_by_id: invalid ciphertext';
  end if;
  return content;
end
$$;

create function vault._crypto_aead_det_noncegen() returns bytea
language sql volatile
as $$ select pg_catalog.uuid_send(gen_random_uuid()) || pg_catalog.uuid_send(gen_random_uuid()) $$;

create table vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text,
  description text not null default '',
  secret text not null,
  key_id uuid,
  nonce bytea default vault._crypto_aead_det_noncegen(),
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp
);

comment on table vault.secrets is 'Secrets of the local stack, encoded but not encrypted.';

create unique index secrets_name_idx on vault.secrets (name) where name is not null;

select pg_catalog.pg_extension_config_dump('vault.secrets', '');

create view vault.decrypted_secrets as
select
  id,
  name,
  description,
  secret,
  pg_catalog.convert_from(
    vault._crypto_aead_det_decrypt(
      message => pg_catalog.decode(secret, 'base64'),
      additional => pg_catalog.convert_to(id::text, 'UTF8'),
      key_id => 0,
      nonce => nonce
    ),
    'UTF8'
  ) as decrypted_secret,
  key_id,
  nonce,
  created_at,
  updated_at
from vault.secrets;

create function vault._encoded(secret text, id uuid, nonce bytea) returns text
language sql stable set search_path = ''
as $$
  select pg_catalog.encode(
    vault._crypto_aead_det_encrypt(
      message => pg_catalog.convert_to(secret, 'UTF8'),
      additional => pg_catalog.convert_to(id::text, 'UTF8'),
      key_id => 0,
      nonce => nonce
    ),
    'base64'
  )
$$;

-- Definer: `postgres` and `service_role` may not write the table itself.
create function vault.create_secret(
  new_secret text,
  new_name text default null,
  new_description text default '',
  new_key_id uuid default null
) returns uuid
language sql security definer set search_path = ''
as $$
  insert into vault.secrets (id, secret, name, description, nonce)
  select entry.id, vault._encoded(new_secret, entry.id, entry.nonce), new_name, new_description, entry.nonce
  from (select gen_random_uuid() as id, vault._crypto_aead_det_noncegen() as nonce offset 0) as entry
  returning id
$$;

-- Definer, for the same reason. Reads the old secret first, whatever is to change: an entry that another key has written
-- can only be deleted and created anew. An unknown id is no error.
create function vault.update_secret(
  secret_id uuid,
  new_secret text default null,
  new_name text default null,
  new_description text default null,
  new_key_id uuid default null
) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  perform s.decrypted_secret from vault.decrypted_secrets as s where s.id = secret_id;
  update vault.secrets as s
  set secret = case when new_secret is null then s.secret else vault._encoded(new_secret, s.id, s.nonce) end,
    name = coalesce(new_name, s.name),
    description = coalesce(new_description, s.description),
    updated_at = pg_catalog.now()
  where s.id = secret_id;
end
$$;

-- The real one's keeps its encryption to itself as well: only reading is for those who may read the view.
revoke all on all functions in schema vault from public;

grant usage on schema vault to postgres with grant option;
grant select, delete on vault.secrets, vault.decrypted_secrets to postgres with grant option;
grant execute on function
  vault.create_secret(text, text, text, uuid),
  vault.update_secret(uuid, text, text, text, uuid),
  vault._crypto_aead_det_decrypt(bytea, bytea, bigint, bytea, bytea)
to postgres with grant option;

grant usage on schema vault to service_role;
grant select, delete on vault.secrets, vault.decrypted_secrets to service_role;
grant execute on function
  vault.create_secret(text, text, text, uuid),
  vault.update_secret(uuid, text, text, text, uuid),
  vault._crypto_aead_det_decrypt(bytea, bytea, bigint, bytea, bytea)
to service_role;
