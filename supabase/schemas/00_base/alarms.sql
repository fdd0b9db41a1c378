-- Alarms: what is wrong now and needs an operator. push_health() shows them.

create table push.alarms (
  code text not null,
  subject text not null,
  message text not null,
  raised_at timestamptz not null,
  last_seen_at timestamptz not null,
  resolved_at timestamptz,
  constraint alarms_pkey primary key (code, subject)
);
comment on table push.alarms is 'What an operator has to look at: one row per kind and subject, resolved when it went away by itself. For the database owner.';
comment on column push.alarms.code is 'What kind of condition it is: a machine code, such as rule_broken.';
comment on column push.alarms.subject is 'What it is about: a push service, a rule, a source.';
comment on column push.alarms.message is 'What is wrong, and what to do.';
comment on column push.alarms.last_seen_at is 'When it was last noticed.';
comment on column push.alarms.resolved_at is 'When it went away; null while it lasts.';

alter table push.alarms enable row level security;
create policy alarms_nobody on push.alarms for all to public using (false);

create function push.raise_alarm(p_code text, p_subject text, p_message text, p_now timestamptz default clock_timestamp())
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Raised from application transactions: its row must never become a lock that they queue for. A fresh alarm is left
  -- alone, and while one open transaction writes it, the others go on without.
  if not pg_try_advisory_xact_lock(hashtextextended('supapush.alarm.' || p_code || '.' || p_subject, 0)) or exists (
    select from push.alarms as a
    where a.code = p_code and a.subject = p_subject and a.resolved_at is null
      and a.last_seen_at > p_now - interval '1 minute'
  ) then
    return;
  end if;
  insert into push.alarms as a (code, subject, message, raised_at, last_seen_at)
  values (p_code, p_subject, p_message, p_now, p_now)
  on conflict (code, subject) do update
  set message = excluded.message,
      raised_at = case when a.resolved_at is null then a.raised_at else excluded.raised_at end,
      last_seen_at = excluded.last_seen_at,
      resolved_at = null;
exception when serialization_failure or lock_not_available or deadlock_detected then
  -- An alarm is not worth failing the write that noticed it; the next one that notices raises it.
  return;
end;
$$;
comment on function push.raise_alarm(text, text, text, timestamptz) is
  'Notes a condition that needs an operator; repeated calls within a minute cost one index look-up.';

create function push.resolve_alarm(p_code text, p_subject text, p_now timestamptz default clock_timestamp())
returns void
language sql
set search_path = ''
as $$
  update push.alarms set resolved_at = p_now
  where code = p_code and subject = p_subject and resolved_at is null;
$$;
comment on function push.resolve_alarm(text, text, timestamptz) is 'Marks an alarm as gone.';
