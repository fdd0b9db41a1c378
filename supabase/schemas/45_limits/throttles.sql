-- Throttles and the daily ceiling: what they count.
--
-- Both count pushes to one user exactly, in a row that writers lock until their commit: two transactions that notify the
-- same user in a throttled category go one after the other. Messages to other users do not wait.

alter table push.settings
  add column daily_ceiling integer,
  add constraint settings_daily_ceiling check (daily_ceiling > 0);
comment on column push.settings.daily_ceiling is
  'Notifications that are pushed to one user per day of theirs, those of critical categories not counted. Null: no ceiling.';

create table push.throttle_log (
  user_id uuid not null,
  -- No foreign key: a row that outlives its category is cleared away when its moments have passed.
  category text not null,
  moments timestamptz[] not null default '{}',
  done_at timestamptz not null,
  constraint throttle_log_pkey primary key (user_id, category),
  constraint throttle_log_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
comment on table push.throttle_log is 'When a user was last pushed something of a throttled category (the key of the row of push_categories that applies).';
comment on column push.throttle_log.moments is 'Of the last pushes, as many as the limit needs.';
comment on column push.throttle_log.done_at is 'From then on the row says nothing any more.';

create index throttle_log_done_idx on push.throttle_log (done_at);

alter table push.throttle_log enable row level security;
create policy throttle_log_nobody on push.throttle_log for all to public using (false);

create table push.daily_pushes (
  user_id uuid not null,
  day date not null,
  pushes integer not null default 0,
  constraint daily_pushes_pkey primary key (user_id),
  constraint daily_pushes_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
comment on table push.daily_pushes is 'How many notifications were pushed to a user on their latest day, while there is a daily ceiling.';
comment on column push.daily_pushes.day is 'In the user''s own timezone.';

create index daily_pushes_day_idx on push.daily_pushes (day);

alter table push.daily_pushes enable row level security;
create policy daily_pushes_nobody on push.daily_pushes for all to public using (false);

create function push.clean_limits(p_limit integer, p_before timestamptz, p_now timestamptz)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_digests bigint;
  v_logs bigint;
  v_days bigint;
begin
  delete from push.digests as d
  where d.id in (
    select o.id from push.digests as o
    where o.closed_at <= p_before
    order by o.closed_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_digests = row_count;
  delete from push.throttle_log as l
  where (l.user_id, l.category) in (
    select o.user_id, o.category from push.throttle_log as o
    where o.done_at <= p_now
    order by o.done_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_logs = row_count;
  -- Two days: nowhere on earth is it that day still.
  delete from push.daily_pushes as d
  where d.user_id in (
    select o.user_id from push.daily_pushes as o
    where o.day <= (p_now at time zone 'UTC')::date - 2
    order by o.day
    limit p_limit
    for update skip locked
  );
  get diagnostics v_days = row_count;
  return v_digests + v_logs + v_days;
end;
$$;
comment on function push.clean_limits(integer, timestamptz, timestamptz) is
  'Deletes digests that were closed before p_before, and counts of pushes that limit nothing any more; returns how many rows.';
