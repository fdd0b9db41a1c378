/** A Next.js starter with subscriptions of a payment service: open tables, an enum, a publication, seeded users. */
export const BILLING_STARTER: Readonly<Record<string, string>> = {
  'config.toml': 'project_id = "billing-starter"\n\n[auth]\nsite_url = "http://localhost:3000"\n',
  'migrations/20240101000000_billing.sql': `
create extension if not exists moddatetime with schema extensions;
create extension if not exists "uuid-ossp" with schema extensions version '1.1';

create table profiles (
  id uuid references auth.users not null primary key,
  full_name text,
  updated_at timestamptz
);
alter table profiles enable row level security;
create policy "Own profile" on profiles for select using (auth.uid() = id);
create trigger profiles_updated before update on profiles
  for each row execute procedure moddatetime (updated_at);

create function public.handle_new_user() returns trigger as $$
begin
  insert into public.profiles (id, full_name) values (new.id, new.raw_user_meta_data->>'full_name');
  return new;
end;
$$ language plpgsql security definer;
create trigger on_auth_user_created after insert on auth.users
  for each row execute procedure public.handle_new_user();

create type plan_interval as enum ('month', 'year');
create table plans (id text primary key, name text, interval plan_interval, amount bigint, metadata jsonb);
alter table plans enable row level security;
create policy "Plans are public" on plans for select using (true);

drop publication if exists supabase_realtime;
create publication supabase_realtime for table plans;
`,
  'migrations/20240102000000_two_steps.sql': `
begin;
alter table plans add column active boolean default true;
commit;
-- What came after the transaction.
comment on table plans is 'What is sold';
`,
  'seed.sql': `
insert into auth.users (
  instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, recovery_sent_at, last_sign_in_at,
  raw_app_meta_data, raw_user_meta_data, is_super_admin, created_at, updated_at,
  confirmation_token, email_change, email_change_token_new, recovery_token
) values (
  '00000000-0000-0000-0000-000000000000', '5b0f0f6e-6b1c-4a53-9d3e-0d0f6a1c2b3d', 'authenticated', 'authenticated',
  'anna@example.com', crypt('password123', gen_salt('bf')), now(), now(), now(),
  '{"provider":"email","providers":["email"]}', '{"full_name":"Anna"}', false, now(), now(), '', '', '', ''
);
insert into auth.identities (id, user_id, identity_data, provider, provider_id, last_sign_in_at, created_at, updated_at)
select uuid_generate_v4(), id, jsonb_build_object('sub', id, 'email', email), 'email', id::text, now(), now(), now()
from auth.users;
insert into plans (id, name, interval, amount) values ('pro', 'Pro', 'month', 1200);
`,
};
