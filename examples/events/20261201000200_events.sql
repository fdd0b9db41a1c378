-- Events: organisers publish them, people hold tickets, and the holders of valid ones are told of changes.

create table public.events (
  id bigint not null generated always as identity,
  organiser_id uuid not null default auth.uid(),
  title text not null,
  venue text not null,
  starts_at timestamptz not null,
  timezone text not null default 'Europe/Berlin',
  status text not null default 'draft',
  constraint events_pkey primary key (id),
  constraint events_organiser_id_fkey foreign key (organiser_id) references auth.users (id) on delete cascade,
  constraint events_title check (octet_length(title) between 1 and 200),
  constraint events_venue check (octet_length(venue) between 1 and 200),
  constraint events_timezone check (timestamptz '2000-01-01 00:00:00+00' at time zone timezone is not null),
  constraint events_status check (status in ('draft', 'published', 'cancelled'))
);
comment on table public.events is 'What takes place where and when. Every user who is signed in sees those that are no drafts.';
comment on column public.events.timezone is 'Where the event takes place: messages tell its time as the clocks there show it.';
create index events_organiser_id_idx on public.events (organiser_id);

create table public.tickets (
  id bigint not null generated always as identity,
  event_id bigint not null,
  holder_id uuid not null,
  status text not null default 'valid',
  constraint tickets_pkey primary key (id),
  constraint tickets_event_id_fkey foreign key (event_id) references public.events (id) on delete cascade,
  constraint tickets_holder_id_fkey foreign key (holder_id) references auth.users (id) on delete cascade,
  constraint tickets_status check (status in ('valid', 'returned'))
);
comment on table public.tickets is 'Who may come. Written by the service, which sells them and takes them back.';
create index tickets_event_id_idx on public.tickets (event_id);
create index tickets_holder_id_idx on public.tickets (holder_id);

-- access -------------------------------------------------------------------------------------------------------

alter table public.events enable row level security;
alter table public.tickets enable row level security;

create policy events_select on public.events
for select to authenticated using (status <> 'draft' or (select auth.uid()) = organiser_id);
create policy events_insert on public.events
for insert to authenticated with check ((select auth.uid()) = organiser_id);
create policy events_update on public.events
for update to authenticated using ((select auth.uid()) = organiser_id) with check ((select auth.uid()) = organiser_id);
create policy tickets_select on public.tickets
for select to authenticated using ((select auth.uid()) = holder_id);

grant select, insert on public.events to authenticated;
grant update (title, venue, starts_at, timezone, status) on public.events to authenticated;
grant select on public.tickets to authenticated;
grant select, insert, update, delete on public.events, public.tickets to service_role;

-- notifications ------------------------------------------------------------------------------------------------

-- Time, venue or status of an event that people know of: to those who hold a valid ticket, each once however many they
-- hold. A later change takes the place of an earlier one on the device.
select push.watch(
  'event_changed', 'public.events',
  p_events     => '{update}',
  p_columns    => '{starts_at, venue, status}',
  p_condition  => $$ old.status = 'published' or (old.status = 'cancelled' and new.status = 'published') $$,
  p_recipients => $$ select t.holder_id from public.tickets as t where t.event_id = new.id and t.status = 'valid' $$,
  p_title      => $$
    case
      when new.status <> 'published' then 'Cancelled: '
      when old.status <> 'published' then 'Takes place after all: '
      else 'Changed: '
    end || new.title
  $$,
  p_body       => $$
    case when new.status <> 'published' then 'Your ticket will be taken back.' else
      to_char(new.starts_at at time zone new.timezone, 'FMDD FMMonth, HH24:MI')
      || case when new.starts_at <> old.starts_at
        then ' (was ' || to_char(old.starts_at at time zone old.timezone, 'FMDD FMMonth, HH24:MI') || ')' else '' end
      || ' at ' || new.venue
      || case when new.venue <> old.venue then ' (was ' || old.venue || ')' else '' end
    end
  $$,
  p_url        => $$ '/events/' || new.id $$,
  p_params     => $$ jsonb_build_object('event', new.id, 'status', new.status, 'starts_at', new.starts_at, 'venue', new.venue) $$,
  p_category   => 'events:changes',
  p_tag        => $$ 'event:' || new.id $$
);

-- Users who want to be told of new events join this topic. It may have very many members, so they are not the
-- recipients of a rule: a message to a topic is one row here, and finds its members later.
insert into public.push_topics (key, title) values ('events', 'New events');

create function public.announce_event()
returns trigger
language plpgsql
-- Definer: an organiser may not write notifications.
security definer
set search_path = ''
as $$
begin
  perform push.notify_topic(
    'events', 'New: ' || new.title,
    p_body     => to_char(new.starts_at at time zone new.timezone, 'FMDD FMMonth, HH24:MI') || ' at ' || new.venue,
    p_url      => '/events/' || new.id,
    p_category => 'events:new'
  );
  return null;
end;
$$;
comment on function public.announce_event() is 'Tells the members of the topic of a new event.';
revoke all on function public.announce_event() from public, anon, authenticated, service_role;

create trigger events_announce_new
after insert on public.events
for each row when (new.status = 'published')
execute function public.announce_event();

create trigger events_announce_published
after update of status on public.events
for each row when (old.status = 'draft' and new.status = 'published')
execute function public.announce_event();
