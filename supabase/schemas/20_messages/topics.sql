-- Topics, the audiences that users join and leave by themselves.
--
-- The Topic header of RFC 8030, by which a push service replaces a waiting message, is push_notifications.collapse_key.

alter table push.settings
  add column max_topics_per_user integer not null default 100,
  add constraint settings_topics check (max_topics_per_user > 0);
comment on column push.settings.max_topics_per_user is 'Topics one user may join. The service role may add members beyond that.';

create table public.push_topics (
  key text not null,
  title text not null,
  description text,
  created_at timestamptz not null default now(),
  constraint push_topics_pkey primary key (key),
  constraint push_topics_key check (key ~ '^[a-z0-9][a-z0-9_.:-]{0,99}$'),
  constraint push_topics_title check (octet_length(title) between 1 and 200),
  constraint push_topics_description check (octet_length(description) <= 1000)
);
comment on table public.push_topics is
  'Audiences: every user who is signed in may see and join each of them, so all users may read what is sent to one.';
comment on column public.push_topics.key is 'What notifications and members name it by: 1 to 100 of a-z 0-9 _ . : -';
comment on column public.push_topics.title is 'What users read where they choose topics.';

alter table public.push_topics enable row level security;
create policy push_topics_select on public.push_topics for select to authenticated using (true);

revoke all on public.push_topics from anon, authenticated, service_role;
grant select on public.push_topics to authenticated;
grant select, insert, update, delete on public.push_topics to service_role;

create table public.push_topic_members (
  topic text not null,
  user_id uuid not null default public.push_user_id(),
  created_at timestamptz not null default now(),
  -- In this order: a fan-out walks a topic by user id.
  constraint push_topic_members_pkey primary key (topic, user_id),
  constraint push_topic_members_topic_fkey foreign key (topic) references public.push_topics (key) on delete cascade,
  constraint push_topic_members_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
comment on table public.push_topic_members is 'Who is in which topic. A user inserts a row to join and deletes it to leave.';
comment on column public.push_topic_members.topic is 'The key of the topic.';
comment on column public.push_topic_members.created_at is
  'When the user joined. A user who joins while a message is on its way to the topic may read it, but is not notified of it.';

create index push_topic_members_user_id_idx on public.push_topic_members (user_id);

create function push.check_topic_member()
returns trigger
language plpgsql
-- Definer: reads the settings, which users may not.
security definer
set search_path = ''
as $$
declare
  v_limit integer;
begin
  -- The service adds whom it likes: a lock and a count per row would make a million members a million locks.
  if public.push_user_id() is null then
    return new;
  end if;
  -- Row-level security checks after this trigger has run. What it would refuse is refused here first, so that a user
  -- cannot learn from the other answers below how many topics another user is in.
  if new.user_id is distinct from public.push_user_id() then
    raise exception using errcode = '42501',
      message = 'new row violates row-level security policy for table "push_topic_members"';
  end if;
  if not exists (select from public.push_topics as t where t.key = new.topic) then
    perform push.refuse(404, 'topic_unknown', 'No topic has this key.', 'Use the key of a row in push_topics.');
  end if;
  -- Counted one statement after the other: push.serialize_user_writes(). Joining again changes nothing: the primary key answers that.
  if exists (select from public.push_topic_members as m where m.topic = new.topic and m.user_id = new.user_id) then
    return new;
  end if;
  select s.max_topics_per_user into v_limit from push.settings as s;
  if (select count(*) from public.push_topic_members as m where m.user_id = new.user_id) >= v_limit then
    perform push.refuse(429, 'too_many_topics', format('This user is already in %s topics.', v_limit), 'Leave a topic first.');
  end if;
  return new;
end;
$$;
comment on function push.check_topic_member() is 'Keeps users to topics that exist, and to as many as the settings allow.';

create trigger push_topic_members_check
before insert on public.push_topic_members
for each row execute function push.check_topic_member();

create trigger push_topic_members_serialize
before insert or update or delete on public.push_topic_members
for each statement when (current_user = 'authenticated') execute function push.serialize_user_writes();

alter table public.push_topic_members enable row level security;

create policy push_topic_members_select on public.push_topic_members
for select to authenticated using ((select public.push_user_id()) = user_id);
create policy push_topic_members_insert on public.push_topic_members
for insert to authenticated with check ((select public.push_user_id()) = user_id);
create policy push_topic_members_delete on public.push_topic_members
for delete to authenticated using ((select public.push_user_id()) = user_id);

revoke all on public.push_topic_members from anon, authenticated, service_role;
grant select, delete on public.push_topic_members to authenticated;
grant insert (topic, user_id) on public.push_topic_members to authenticated;
grant select, insert, delete on public.push_topic_members to service_role;

create policy push_topic_members_update on public.push_topic_members
for update to authenticated using ((select public.push_user_id()) = user_id) with check ((select public.push_user_id()) = user_id);
