-- Two things hold the queue: a pause, which an operator asks for, and a database that was copied.
--
-- These are the functions that the queue, the bell and the fan-out ask, in plpgsql, which plans once a session, because each
-- claim calls all of them. How pauses begin and end is in pauses.sql, how a copy is recognised in project.sql.

create table push.pauses (
  id bigint not null generated always as identity,
  category text,
  host text,
  reason text not null,
  paused_at timestamptz not null,
  resumed_at timestamptz,
  discard_before timestamptz,
  discarded bigint not null default 0,
  cleared_at timestamptz,
  constraint pauses_pkey primary key (id),
  constraint pauses_host_fkey foreign key (host) references push.hosts (origin) on update cascade on delete cascade,
  constraint pauses_scope check (category is null or host is null),
  constraint pauses_reason check (reason ~ '\S' and octet_length(reason) <= 500),
  constraint pauses_resumed check (resumed_at is not null or (discard_before is null and cleared_at is null))
);
comment on table push.pauses is
  'What an operator has stopped, and had stopped: the whole project (neither category nor host), one category with all below it, or one '
  'push service. For the database owner.';
comment on column push.pauses.discard_before is
  'Set by push.resume(): what became due before this moment is cancelled instead of sent.';
comment on column push.pauses.discarded is 'Deliveries that were cancelled for that so far.';
comment on column push.pauses.cleared_at is 'When nothing was left to cancel; null while the pause lasts.';

create unique index pauses_in_force on push.pauses (coalesce(category, ''), coalesce(host, '')) where resumed_at is null;
create index pauses_host_idx on push.pauses (host);

alter table push.pauses enable row level security;
create policy pauses_nobody on push.pauses for all to public using (false);

create table push.project (
  id boolean not null default true,
  url text not null,
  connected_url text not null,
  function_url text,
  database text,
  noted_at timestamptz not null,
  found text,
  found_at timestamptz,
  constraint project_pkey primary key (id),
  constraint project_one_row check (id)
);
comment on table push.project is
  'Which project''s messages these are. It is copied along with the data: that is how a copy is told from its original. For the database owner.';
comment on column push.project.url is 'The project that push.connect() or push.adopt() noted.';
comment on column push.project.connected_url is
  'The project that push.connect() was given last, whose functions the bell rings. Another one than url holds everything.';
comment on column push.project.function_url is 'What push-dispatch calls its project, SUPABASE_URL, learnt at its first claim.';
comment on column push.project.database is 'Server and database, by numbers that a dump does not take along.';
comment on column push.project.found is 'As what else the last claim found this database; null when it was the noted project.';

alter table push.project enable row level security;
create policy project_nobody on push.project for all to public using (false);

create function push.is_held(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select from push.pauses as p where p.resumed_at is null and p.category is null and p.host is null
  ) or exists (
    select from push.project as j
    -- What a claim found counts for a minute. Then a dispatcher is called and asked again, so that one stray function
    -- does not stop its project for good.
    where j.connected_url <> j.url or j.found_at > p_now - interval '1 minute'
  );
end;
$$;
comment on function push.is_held(timestamptz) is
  'Whether nothing may be handed out at all: the project is paused, or this is a copy of it.';

create function push.held_hosts(p_now timestamptz default clock_timestamp())
returns text[]
language plpgsql
stable
set search_path = ''
as $$
begin
  return case
    when push.is_held(p_now) then array(select h.origin from push.hosts as h)
    else array(select p.host from push.pauses as p where p.resumed_at is null and p.host is not null)
  end;
end;
$$;
comment on function push.held_hosts(timestamptz) is 'The push services for which nothing may be handed out: paused ones, or all.';

create function push.is_category_paused(p_category text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select from push.pauses as p
    where p.resumed_at is null and (p_category = p.category or starts_with(p_category, p.category || ':'))
  );
end;
$$;
comment on function push.is_category_paused(text) is 'Whether this category or one above it is paused.';

create function push.sifted_categories()
returns text[]
language plpgsql
stable
set search_path = ''
as $$
begin
  return case
    when exists (select from push.pauses as p where p.cleared_at is null and p.discard_before is not null) then array['%']
    else array(
      select k.key || l.suffix
      from push.pauses as p
      cross join lateral (values (regexp_replace(p.category, '([\\%_])', '\\\1', 'g'))) as k (key)
      cross join (values (''), (':%')) as l (suffix)
      where p.resumed_at is null and p.category is not null
    )
  end;
end;
$$;
comment on function push.sifted_categories() is
  'Of which categories each delivery has to be looked at, as patterns of like: paused ones, or all while what became due in a pause is being '
  'cancelled. Asked once for many deliveries, so that most need no push.pause_on().';

create function push.pause_on(p_host text, p_category text, p_due_at timestamptz, p_created_at timestamptz)
returns bigint
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select p.id from push.pauses as p
    where p.cleared_at is null
      and case
        -- A paused project or push service is not read at all; nothing of it needs to be looked at one by one.
        when p.resumed_at is null then p.category is not null
        -- Not deliveries written since, even if their due_at is long ago.
        else p_due_at < p.discard_before and p_created_at <= p.resumed_at
      end
      and (p.host is null or p.host = p_host)
      and (p.category is null or p_category = p.category or starts_with(p_category, p.category || ':'))
    -- Cancelling goes first, even if another pause still holds the delivery.
    order by p.resumed_at is null, p.id
    limit 1
  );
end;
$$;
comment on function push.pause_on(text, text, timestamptz, timestamptz) is
  'The pause that keeps a delivery from being handed out: of its category, or one that ended and has it cancelled. Null: none.';

create function push.is_held_back(p_host text, p_notification_id uuid, p_due_at timestamptz, p_created_at timestamptz)
returns boolean
language plpgsql
stable
set search_path = ''
-- A look-up by key, however empty the planner believes the table to be.
set enable_seqscan = off
as $$
begin
  return push.pause_on(
    p_host, (select n.category from public.push_notifications as n where n.id = p_notification_id), p_due_at, p_created_at
  ) is not null;
end;
$$;
comment on function push.is_held_back(text, uuid, timestamptz, timestamptz) is
  'Whether push.pause_on() finds a pause for a delivery of this notification.';

create function push.is_fan_out_held(p_fan_out push.fan_outs, p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
stable
set search_path = ''
-- A look-up by key, however empty the planner believes the table to be.
set enable_seqscan = off
as $$
begin
  if p_fan_out.message is not null then
    return push.is_held(p_now) or push.is_category_paused(p_fan_out.message ->> 'category');
  end if;
  -- Taking back goes on: that is what many a pause is for.
  return exists (
    select from public.push_notifications as n
    where n.id = p_fan_out.notification_id and n.status = 'fanning_out' and (push.is_held(p_now) or push.is_category_paused(n.category))
  );
end;
$$;
comment on function push.is_fan_out_held(push.fan_outs, timestamptz) is
  'Whether the recipients of a fan-out are served later: its project or its category is paused.';
