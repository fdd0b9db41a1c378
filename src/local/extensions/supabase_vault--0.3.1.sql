-- A stand-in for Supabase Vault 0.3: the same table, view, functions and grants.
--
-- Different from the real one: NOTHING IS ENCRYPTED. `vault.secrets.secret` holds base64, so that code which reads the
-- wrong column gets no usable secret here either, but whoever reads the disk reads the secrets. For local data only.

create table vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text,
  description text not null default '',
  secret text not null,
  key_id uuid,
  nonce bytea default pg_catalog.uuid_send(gen_random_uuid()),
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp
);

comment on table vault.secrets is 'Secrets of the local stack, encoded but not encrypted.';

create unique index secrets_name_idx on vault.secrets (name) where name is not null;

select pg_catalog.pg_extension_config_dump('vault.secrets', '');

-- Runs with the rights of its owner, as every view does by default: readers need no rights on the encoding functions.
create view vault.decrypted_secrets as
select
  id,
  name,
  description,
  secret,
  pg_catalog.convert_from(pg_catalog.decode(secret, 'base64'), 'UTF8') as decrypted_secret,
  key_id,
  nonce,
  created_at,
  updated_at
from vault.secrets;

-- Definer: `postgres` and `service_role` may not write the table itself.
create function vault.create_secret(
  new_secret text,
  new_name text default null,
  new_description text default '',
  new_key_id uuid default null
) returns uuid
language sql security definer set search_path = ''
as $$
  insert into vault.secrets (secret, name, description)
  values (pg_catalog.encode(pg_catalog.convert_to(new_secret, 'UTF8'), 'base64'), new_name, new_description)
  returning id
$$;

-- Definer, for the same reason. An unknown id is no error, as in the real one; one that cannot be read is, because that reads
-- the old secret first.
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
  update vault.secrets
  set secret = coalesce(pg_catalog.encode(pg_catalog.convert_to(new_secret, 'UTF8'), 'base64'), secret),
    name = coalesce(new_name, name),
    description = coalesce(new_description, description),
    updated_at = pg_catalog.now()
  where id = secret_id;
end
$$;

revoke all on function
  vault.create_secret(text, text, text, uuid),
  vault.update_secret(uuid, text, text, text, uuid)
from public;

grant usage on schema vault to postgres with grant option;
grant select, delete on vault.secrets, vault.decrypted_secrets to postgres with grant option;
grant execute on function
  vault.create_secret(text, text, text, uuid),
  vault.update_secret(uuid, text, text, text, uuid)
to postgres with grant option;

grant usage on schema vault to service_role;
grant select, delete on vault.secrets, vault.decrypted_secrets to service_role;
grant execute on function
  vault.create_secret(text, text, text, uuid),
  vault.update_secret(uuid, text, text, text, uuid)
to service_role;
