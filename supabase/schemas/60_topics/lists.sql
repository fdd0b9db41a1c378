-- Long lists of push.notify_many(): how far each has got, how it is cancelled, and what is left of those that ended.

create view push.lists
with (security_invoker = true)
as
select f.id, f.message ->> 'title' as title, f.message ->> 'template' as template, f.message ->> 'category' as category,
  f.recipients, f.deliveries as notified, f.failed,
  case when f.finished_at is null then 'fanning_out' else coalesce(f.stopped, 'finished') end as status,
  f.started_at, f.finished_at, f.last_error
from push.fan_outs as f
where f.message is not null;
comment on view push.lists is
  'Messages of push.notify_many() to more users than it notifies at once: how far each has got. For the database owner.';
comment on column push.lists.id is 'What push.cancel_list() is given.';
comment on column push.lists.title is 'Null when its template says it.';
comment on column push.lists.category is 'Its own category, or that of its template.';
comment on column push.lists.recipients is 'How many users are on the list.';
comment on column push.lists.notified is
  'Notifications that were made so far. Users who were deleted meanwhile get none, nor do those who have one of the same idempotency key.';
comment on column push.lists.failed is 'Users who were left out, because making their notification failed.';
comment on column push.lists.status is
  'fanning_out (notifications are being made, in chunks), finished, cancelled, or given_up (it failed for every user again and again).';
comment on column push.lists.last_error is 'Why a user was left out, or all of it put off, the last time.';

create function push.cancel_list(p_id uuid, p_now timestamptz default clock_timestamp())
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_left bigint;
begin
  -- Waits for a chunk that is just being made.
  update push.fan_outs as f set finished_at = p_now, stopped = 'cancelled'
  where f.id = p_id and f.message is not null and f.finished_at is null;
  select f.recipients - f.members - f.failed into v_left from push.fan_outs as f where f.id = p_id and f.message is not null;
  if not found then
    perform push.refuse(404, 'list_unknown', 'No list has this id.', 'Use the id of a row in push.lists.');
  end if;
  return v_left;
end;
$$;
comment on function push.cancel_list(uuid, timestamptz) is
  'Stops a message to a long list: its users who were not notified yet are not. Returns how many those are, also when it had ended before. '
  'Notifications that were made stay, scheduled ones too: push.cancel() takes each of them back. For the database owner.

p_id: The list: push.lists.id.';

create function push.clean_lists(p_limit integer, p_keep interval, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
-- By index, from one list to the next.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  v_users bigint;
  v_lists bigint;
begin
  with recursive listed as (
    (select r.fan_out_id from push.fan_out_recipients as r order by r.fan_out_id limit 1)
    union all
    select n.fan_out_id from listed as l
    cross join lateral (
      select r.fan_out_id from push.fan_out_recipients as r where r.fan_out_id > l.fan_out_id order by r.fan_out_id limit 1
    ) as n
  )
  delete from push.fan_out_recipients as r
  where (r.fan_out_id, r.user_id) in (
    select o.fan_out_id, o.user_id from listed as l
    cross join lateral (
      select w.fan_out_id, w.user_id from push.fan_out_recipients as w where w.fan_out_id = l.fan_out_id limit p_limit
    ) as o
    where not exists (select from push.fan_outs as f where f.id = l.fan_out_id and f.finished_at is null)
    limit p_limit
  );
  get diagnostics v_users = row_count;
  delete from push.fan_outs as f
  where f.id in (
    select o.id from push.fan_outs as o
    where o.message is not null and o.finished_at <= p_now - p_keep
    order by o.finished_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_lists = row_count;
  -- Nothing comes that would resolve it: a day is long enough to read it, and push.lists has it longer.
  update push.alarms as a set resolved_at = p_now
  where a.code = 'fan_out_failed' and a.resolved_at is null and a.last_seen_at <= p_now - interval '1 day'
    and not exists (
      select from push.fan_outs as f where f.finished_at is null and coalesce(f.notification_id, f.id)::text = a.subject
    );
  return jsonb_build_object('list_users', v_users, 'lists', v_lists);
end;
$$;
comment on function push.clean_lists(integer, interval, timestamptz) is
  'Takes at most p_limit users off lists that have ended, and deletes lists that ended longer ago than p_keep; returns how many of both. Resolves '
  'alarms of fan-outs that ended, a day later.';
