-- push.notify_many(). The message to a long list of users is noted with its recipients, and fans out in chunks.

create function push.send_in_chunks(p_user_ids uuid[], p_message push.message)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_said public.push_notifications;
  v_fan_out push.fan_outs;
begin
  -- By the clock of this call, not of each chunk.
  p_message.send_at := coalesce(p_message.send_at, now());
  -- As the notifications will be stored. Params that are longer are refused below.
  p_message.params := push.exact_params(p_message.params);
  -- What is wrong with it, in whatever locale, is refused here, and not when the caller has gone. As for a topic: which locales
  -- its users have is only known when they are notified.
  v_said := push.notification_of(p_message, p_audience_topic => '');
  v_said := push.fill_from_template(v_said, '');
  perform push.refuse_notification(push.complete_notification(v_said));
  if p_message.digest_key is not null then
    perform push.check_digest_key(p_message.digest_key);
  end if;
  -- Of the template too: a pause asks for it.
  p_message.category := v_said.category;

  v_fan_out.id := gen_random_uuid();
  insert into push.fan_out_recipients (fan_out_id, user_id)
  select v_fan_out.id, u.id from auth.users as u where u.id = any (p_user_ids);
  get diagnostics v_fan_out.recipients = row_count;
  insert into push.fan_outs as f (id, message, recipients) values (v_fan_out.id, to_jsonb(p_message), v_fan_out.recipients)
  returning f.* into v_fan_out;
  if not push.is_fan_out_held(v_fan_out) then
    perform push.wake();
  end if;
  return v_fan_out.recipients;
end;
$$;
comment on function push.send_in_chunks(uuid[], push.message) is
  'Has a notification of a message made for each of these users after the commit, a chunk a transaction, and skips ids that are no user''s; '
  'returns how many users those are.';

create function push.send_to_many(p_user_ids uuid[], p_message push.message)
returns bigint
language plpgsql
set search_path = ''
as $$
begin
  if cardinality(p_user_ids) > (select s.notify_at_once from push.settings as s) then
    return push.send_in_chunks(p_user_ids, p_message);
  end if;
  return push.send_to_each(p_user_ids, p_message);
end;
$$;
comment on function push.send_to_many(uuid[], push.message) is 'push.notify_many(), given a message.';

create function push.notify_many(
  p_user_ids uuid[],
  p_title text default null,
  p_body text default null,
  p_url text default null,
  p_params jsonb default '{}',
  p_category text default null,
  p_urgency text default null,
  p_ttl integer default null,
  p_collapse_key text default null,
  p_send_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_idempotency_key text default null,
  p_tag text default null,
  p_template text default null,
  p_presentation jsonb default null,
  p_digest_key text default null
)
returns bigint
language plpgsql
set search_path = ''
as $$
begin
  return push.send_to_many(p_user_ids, row(
    p_title, p_body, p_url, p_params, p_category, p_urgency, p_ttl, p_collapse_key, p_tag,
    p_template, p_presentation, p_digest_key, p_send_at, p_expires_at, p_idempotency_key
  )::push.message);
end;
$$;
comment on function push.notify_many(
  uuid[], text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) is
  'Notifies each of these users once, and skips ids that are no user''s; returns how many notifications were made (a repeated idempotency '
  'key makes none). More users than push.settings.notify_at_once are notified in chunks after the commit, and it returns how many they are: push.lists shows '
  'how far that has got, push.cancel_list() stops it. '
  'For the database owner.

p_user_ids: Whom it is for: ids of auth.users.';

create function public.push_notify_many(p_user_ids uuid[], p_message jsonb)
returns bigint
language sql
-- Definer: see push_notify.
security definer
set search_path = ''
as $$
  select push.send_to_many(p_user_ids, push.message_from(p_message));
$$;
comment on function public.push_notify_many(uuid[], jsonb) is
  'push.notify_many() for servers: supabase.rpc(''push_notify_many'', { p_user_ids, p_message: { title, … } }) with the secret key. Service role only.

p_message: What it says, {"title": "Hello", "url": "/"}: keys as the parameters of push.notify_many(), without their p_.';

revoke all on function public.push_notify_many(uuid[], jsonb) from public, anon, authenticated;
grant execute on function public.push_notify_many(uuid[], jsonb) to service_role;
