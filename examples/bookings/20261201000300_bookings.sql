-- Bookings: guests ask a studio for a time, the studio confirms, and both may cancel.

create table public.studios (
  id bigint not null generated always as identity,
  name text not null,
  owner_id uuid not null default auth.uid(),
  timezone text not null default 'Europe/Berlin',
  constraint studios_pkey primary key (id),
  constraint studios_owner_id_fkey foreign key (owner_id) references auth.users (id) on delete cascade,
  constraint studios_name check (octet_length(name) between 1 and 200),
  constraint studios_timezone check (timestamptz '2000-01-01 00:00:00+00' at time zone timezone is not null)
);
comment on table public.studios is 'What can be booked. Every user who is signed in sees them.';
comment on column public.studios.timezone is 'Messages tell the time of a booking as the clocks there show it.';
create index studios_owner_id_idx on public.studios (owner_id);

create table public.bookings (
  id bigint not null generated always as identity,
  studio_id bigint not null,
  user_id uuid not null default auth.uid(),
  starts_at timestamptz not null,
  status text not null default 'requested',
  constraint bookings_pkey primary key (id),
  constraint bookings_studio_id_fkey foreign key (studio_id) references public.studios (id) on delete cascade,
  constraint bookings_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint bookings_status check (status in ('requested', 'confirmed', 'cancelled'))
);
comment on table public.bookings is 'Which guest comes when. Guests see their own bookings, owners those of their studios.';
create index bookings_studio_id_idx on public.bookings (studio_id);
create index bookings_user_id_idx on public.bookings (user_id);

-- access -------------------------------------------------------------------------------------------------------

alter table public.studios enable row level security;
alter table public.bookings enable row level security;

create policy studios_select on public.studios for select to authenticated using (true);
create policy studios_insert on public.studios
for insert to authenticated with check ((select auth.uid()) = owner_id);

create policy bookings_select on public.bookings
for select to authenticated using (
  (select auth.uid()) = user_id
  or studio_id in (select s.id from public.studios as s where s.owner_id = (select auth.uid()))
);
create policy bookings_insert on public.bookings
for insert to authenticated with check ((select auth.uid()) = user_id and status = 'requested');
-- A guest may cancel, and nothing else.
create policy bookings_update on public.bookings
for update to authenticated
using (
  (select auth.uid()) = user_id
  or studio_id in (select s.id from public.studios as s where s.owner_id = (select auth.uid()))
)
with check (
  ((select auth.uid()) = user_id and status = 'cancelled')
  or studio_id in (select s.id from public.studios as s where s.owner_id = (select auth.uid()))
);

grant select on public.studios, public.bookings to authenticated;
grant insert (name, owner_id, timezone) on public.studios to authenticated;
grant insert (studio_id, user_id, starts_at) on public.bookings to authenticated;
grant update (status) on public.bookings to authenticated;
grant select, insert, update, delete on public.studios, public.bookings to service_role;

-- notifications ------------------------------------------------------------------------------------------------

create function public.booking_time(p_studio_id bigint, p_starts_at timestamptz)
returns text
language sql
stable
set search_path = ''
as $$
  select s.name || ', ' || to_char(p_starts_at at time zone s.timezone, 'FMDD FMMonth, HH24:MI')
  from public.studios as s where s.id = p_studio_id;
$$;
comment on function public.booking_time(bigint, timestamptz) is 'Where and when a booking is, for people to read.';
revoke all on function public.booking_time(bigint, timestamptz) from public, anon, authenticated, service_role;

select push.watch(
  'booking_requested', 'public.bookings',
  p_recipients => $$ select s.owner_id from public.studios as s where s.id = new.studio_id $$,
  p_title      => $$ 'New booking' $$,
  p_body       => $$ public.booking_time(new.studio_id, new.starts_at) $$,
  p_url        => $$ '/bookings/' || new.id $$,
  p_category   => 'bookings',
  p_tag        => $$ 'booking:' || new.id $$
);

select push.watch(
  'booking_confirmed', 'public.bookings',
  p_events     => '{update}',
  p_columns    => '{status}',
  p_condition  => $$ new.status = 'confirmed' $$,
  p_recipients => $$ new.user_id $$,
  p_title      => $$ 'Your booking is confirmed' $$,
  p_body       => $$ public.booking_time(new.studio_id, new.starts_at) $$,
  p_url        => $$ '/bookings/' || new.id $$,
  p_category   => 'bookings',
  p_tag        => $$ 'booking:' || new.id $$
);

-- To the guest and the studio, but not to whom of the two has cancelled.
select push.watch(
  'booking_cancelled', 'public.bookings',
  p_events     => '{update}',
  p_columns    => '{status}',
  p_condition  => $$ new.status = 'cancelled' $$,
  p_recipients => $$
    select c.user_id
    from (values (new.user_id), ((select s.owner_id from public.studios as s where s.id = new.studio_id))) as c (user_id)
    where c.user_id is distinct from auth.uid()
  $$,
  p_title      => $$ 'Booking cancelled' $$,
  p_body       => $$ public.booking_time(new.studio_id, new.starts_at) $$,
  p_url        => $$ '/bookings/' || new.id $$,
  p_params     => $$ jsonb_build_object('booking', new.id, 'was', old.status) $$,
  p_category   => 'bookings',
  p_tag        => $$ 'booking:' || new.id $$
);

-- Follows the row: a booking that is moved, cancelled or deleted moves, loses or has no reminder.
select push.remind(
  'booking_soon', 'public.bookings',
  p_at         => 'new.starts_at',
  p_before     => array[interval '1 day', interval '1 hour'],
  p_condition  => $$ new.status = 'confirmed' $$,
  p_recipients => $$ new.user_id $$,
  p_title      => $$ case when before >= interval '1 day' then 'Your booking tomorrow' else 'Your booking in an hour' end $$,
  p_body       => $$ public.booking_time(new.studio_id, new.starts_at) $$,
  p_url        => $$ '/bookings/' || new.id $$,
  p_category   => 'bookings',
  p_urgency    => 'high',
  p_tag        => $$ 'booking:' || new.id $$
);
