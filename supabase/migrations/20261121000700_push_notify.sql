-- Supapush: push.notify() and push.notify_many(), for migrations, triggers and SQL of your own, and an RPC for servers.

create function push.notify(
  p_user_id uuid,
  p_title text,
  p_body text default null,
  p_url text default null,
  p_params jsonb default '{}',
  p_category text default null,
  p_urgency text default 'normal',
  p_ttl integer default null,
  p_topic text default null,
  p_send_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_idempotency_key text default null,
  p_tag text default null
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
  v_same boolean;
begin
  if not exists (select from auth.users as u where u.id = p_user_id) then
    perform push.refuse(404, 'user_unknown', 'There is no user of this id.', 'Give the id of a row in auth.users.');
  end if;
  insert into public.push_notifications (
    user_id, title, body, url, params, category, urgency, ttl, topic, tag, send_at, expires_at, idempotency_key
  )
  values (
    p_user_id, p_title, p_body, p_url, coalesce(p_params, '{}'), p_category, coalesce(p_urgency, 'normal'), p_ttl, p_topic,
    p_tag, coalesce(p_send_at, now()), p_expires_at, p_idempotency_key
  )
  on conflict do nothing
  returning push_notifications.id into v_id;
  if v_id is not null then
    return v_id;
  end if;

  -- When to send is left out on purpose: who calls again computes `now() + interval '1 hour'` anew, and means the same
  -- message. The first call's schedule stands.
  select n.id,
    (n.title, n.body, n.url, n.params, n.category, n.urgency, n.ttl, n.topic, n.tag)
      is not distinct from
    (p_title, p_body, p_url, coalesce(p_params, '{}'), p_category, coalesce(p_urgency, 'normal'), p_ttl, p_topic, p_tag)
  into v_id, v_same
  from public.push_notifications as n
  where n.user_id = p_user_id and n.idempotency_key = p_idempotency_key;
  if not v_same then
    perform push.refuse(409, 'idempotency_conflict',
      'This idempotency key was used for another message to this user.',
      'Use a new key for a new message.');
  end if;
  return v_id;
end;
$$;
comment on function push.notify(uuid, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text) is
  'Notifies one user on all devices, now or at p_send_at; returns the notification''s id, the same one for a repeated idempotency key.';

create function push.notify_many(
  p_user_ids uuid[],
  p_title text,
  p_body text default null,
  p_url text default null,
  p_params jsonb default '{}',
  p_category text default null,
  p_urgency text default 'normal',
  p_ttl integer default null,
  p_topic text default null,
  p_send_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_idempotency_key text default null,
  p_tag text default null
)
returns bigint
language sql
set search_path = ''
as $$
  -- Set-based: ten thousand users are one statement, one expansion and one ring of the bell.
  with inserted as (
    insert into public.push_notifications (
      user_id, title, body, url, params, category, urgency, ttl, topic, tag, send_at, expires_at, idempotency_key
    )
    select u.id, p_title, p_body, p_url, coalesce(p_params, '{}'), p_category, coalesce(p_urgency, 'normal'), p_ttl, p_topic,
      p_tag, coalesce(p_send_at, now()), p_expires_at, p_idempotency_key
    from auth.users as u
    where u.id = any (p_user_ids)
    on conflict do nothing
    returning push_notifications.id
  )
  select count(*) from inserted;
$$;
comment on function push.notify_many(uuid[], text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text) is
  'Notifies each of these users once, and skips ids that are no user''s; returns how many notifications were made (a repeated idempotency key makes none).';

create function public.push_notify(
  p_user_id uuid,
  p_title text,
  p_body text default null,
  p_url text default null,
  p_params jsonb default '{}',
  p_category text default null,
  p_urgency text default 'normal',
  p_ttl integer default null,
  p_topic text default null,
  p_send_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_idempotency_key text default null,
  p_tag text default null
)
returns uuid
language sql
-- Definer: push.notify() stands in the private schema, which the service role may not use.
security definer
set search_path = ''
as $$
  select push.notify(
    p_user_id, p_title, p_body, p_url, p_params, p_category, p_urgency, p_ttl, p_topic, p_send_at, p_expires_at,
    p_idempotency_key, p_tag
  );
$$;
comment on function public.push_notify(uuid, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text) is
  'push.notify() for servers: supabase.rpc(''push_notify'', { p_user_id, p_title, … }) with the secret key. Service role only.';

revoke all on all functions in schema push from public;
revoke all on function
  public.push_notify(uuid, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text)
  from public, anon, authenticated;
grant execute on function
  public.push_notify(uuid, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text)
  to service_role;
