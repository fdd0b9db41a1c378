-- A CRM: organisations with members, their contacts and deals, and updates for the whole team.

create table public.organisations (
  id bigint not null generated always as identity,
  name text not null,
  constraint organisations_pkey primary key (id)
);
comment on table public.organisations is 'Who works together. Members see and change what belongs to their organisation.';

create table public.organisation_members (
  organisation_id bigint not null,
  user_id uuid not null,
  constraint organisation_members_pkey primary key (organisation_id, user_id),
  constraint organisation_members_organisation_id_fkey foreign key (organisation_id)
    references public.organisations (id) on delete cascade,
  constraint organisation_members_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
comment on table public.organisation_members is 'Who works in which organisation. Written by the service.';
create index organisation_members_user_id_idx on public.organisation_members (user_id);

create table public.contacts (
  id bigint not null generated always as identity,
  organisation_id bigint not null,
  name text not null,
  owner_id uuid default auth.uid(),
  created_by uuid default auth.uid(),
  constraint contacts_pkey primary key (id),
  constraint contacts_organisation_id_fkey foreign key (organisation_id)
    references public.organisations (id) on delete cascade,
  -- The owner gets messages, so it must be a member: otherwise a user could send messages to any user id.
  constraint contacts_owner_id_fkey foreign key (organisation_id, owner_id)
    references public.organisation_members (organisation_id, user_id) on delete set null (owner_id),
  constraint contacts_name check (octet_length(name) between 1 and 200)
);
comment on table public.contacts is 'People whom an organisation knows.';
comment on column public.contacts.owner_id is 'The member who looks after this contact.';
create index contacts_owner_id_idx on public.contacts (organisation_id, owner_id);

create table public.deals (
  id bigint not null generated always as identity,
  organisation_id bigint not null,
  name text not null,
  stage text not null default 'new',
  owner_id uuid default auth.uid(),
  constraint deals_pkey primary key (id),
  constraint deals_organisation_id_fkey foreign key (organisation_id)
    references public.organisations (id) on delete cascade,
  -- The owner gets messages, so it must be a member: otherwise a user could send messages to any user id.
  constraint deals_owner_id_fkey foreign key (organisation_id, owner_id)
    references public.organisation_members (organisation_id, user_id) on delete set null (owner_id),
  constraint deals_name check (octet_length(name) between 1 and 200),
  constraint deals_stage check (stage in ('new', 'offered', 'won', 'lost'))
);
comment on table public.deals is 'What may be sold to whom, and how far it has got.';
create index deals_owner_id_idx on public.deals (organisation_id, owner_id);

create table public.team_updates (
  id bigint not null generated always as identity,
  organisation_id bigint not null,
  author_id uuid not null default auth.uid(),
  text text not null,
  constraint team_updates_pkey primary key (id),
  constraint team_updates_organisation_id_fkey foreign key (organisation_id)
    references public.organisations (id) on delete cascade,
  constraint team_updates_author_id_fkey foreign key (author_id) references auth.users (id) on delete cascade,
  constraint team_updates_text check (octet_length(text) between 1 and 4000)
);
comment on table public.team_updates is 'What a member tells all others of the organisation.';
create index team_updates_organisation_id_idx on public.team_updates (organisation_id);
create index team_updates_author_id_idx on public.team_updates (author_id);

-- access -------------------------------------------------------------------------------------------------------

alter table public.organisations enable row level security;
alter table public.organisation_members enable row level security;
alter table public.contacts enable row level security;
alter table public.deals enable row level security;
alter table public.team_updates enable row level security;

-- A user sees the own memberships; what belongs to these organisations is found through them.
create policy organisation_members_select on public.organisation_members
for select to authenticated using ((select auth.uid()) = user_id);
create policy organisations_select on public.organisations
for select to authenticated using (id in (select m.organisation_id from public.organisation_members as m));

create policy contacts_select on public.contacts
for select to authenticated using (organisation_id in (select m.organisation_id from public.organisation_members as m));
create policy contacts_insert on public.contacts
for insert to authenticated with check (
  organisation_id in (select m.organisation_id from public.organisation_members as m)
  and created_by = (select auth.uid())
);

create policy deals_select on public.deals
for select to authenticated using (organisation_id in (select m.organisation_id from public.organisation_members as m));
create policy deals_insert on public.deals
for insert to authenticated with check (organisation_id in (select m.organisation_id from public.organisation_members as m));
create policy deals_update on public.deals
for update to authenticated
using (organisation_id in (select m.organisation_id from public.organisation_members as m))
with check (organisation_id in (select m.organisation_id from public.organisation_members as m));

create policy team_updates_select on public.team_updates
for select to authenticated using (organisation_id in (select m.organisation_id from public.organisation_members as m));
create policy team_updates_insert on public.team_updates
for insert to authenticated with check (
  organisation_id in (select m.organisation_id from public.organisation_members as m)
  and author_id = (select auth.uid())
);

grant select on public.organisations, public.organisation_members to authenticated;
grant select, insert on public.contacts, public.team_updates to authenticated;
grant select, insert, update (name, stage) on public.deals to authenticated;
grant select, insert, update, delete
on public.organisations, public.organisation_members, public.contacts, public.deals, public.team_updates
to service_role;

-- notifications ------------------------------------------------------------------------------------------------

-- The owner of a new contact is told, unless they made it themselves.
select push.watch(
  'crm_contact_created', 'public.contacts',
  p_condition  => $$ new.owner_id is distinct from new.created_by $$,
  p_recipients => $$ new.owner_id $$,
  p_title      => $$ 'New contact: ' || new.name $$,
  p_url        => $$ '/contacts/' || new.id $$,
  p_params     => $$ jsonb_build_object('contact', new.id) $$,
  p_category   => 'crm:contacts'
);

-- Later stages of a deal take the place of earlier ones on the device.
select push.watch(
  'crm_deal_stage', 'public.deals',
  p_events     => '{update}',
  p_columns    => '{stage}',
  p_recipients => $$ new.owner_id $$,
  p_title      => $$ new.name || ' is ' || new.stage $$,
  p_body       => $$ 'It was ' || old.stage || ' until now.' $$,
  p_url        => $$ '/deals/' || new.id $$,
  p_params     => $$ jsonb_build_object('deal', new.id, 'stage', jsonb_build_object('old', old.stage, 'new', new.stage)) $$,
  p_category   => 'crm:deals',
  p_tag        => $$ 'deal:' || new.id $$
);

select push.watch(
  'crm_team_update', 'public.team_updates',
  p_recipients => $$
    select m.user_id from public.organisation_members as m
    where m.organisation_id = new.organisation_id and m.user_id <> new.author_id
  $$,
  p_title      => $$ (select 'Update for ' || o.name from public.organisations as o where o.id = new.organisation_id) $$,
  p_body       => $$ new.text $$,
  p_url        => $$ '/updates/' || new.id $$,
  p_category   => 'crm:team'
);
