-- push.notify_topic(), and an RPC for servers.

create function push.send_to_topic(p_audience_topic text, p_message push.message)
returns uuid
language plpgsql
set search_path = ''
as $$
begin
  if not exists (select from public.push_topics as t where t.key = p_audience_topic) then
    perform push.refuse(404, 'topic_unknown', 'No topic has this key.', 'Use the key of a row in push_topics.');
  end if;
  return push.send_message(null, p_audience_topic, p_message);
end;
$$;
comment on function push.send_to_topic(text, push.message) is 'push.notify_topic(), given a message.';

create function push.notify_topic(
  p_audience_topic text,
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
returns uuid
language plpgsql
set search_path = ''
as $$
begin
  return push.send_to_topic(p_audience_topic, row(
    p_title, p_body, p_url, p_params, p_category, p_urgency, p_ttl, p_collapse_key, p_tag,
    p_template, p_presentation, p_digest_key, p_send_at, p_expires_at, p_idempotency_key
  )::push.message);
end;
$$;
comment on function push.notify_topic(
  text, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) is
  'Notifies the members of a topic. Writes one row; it fans out to the members after commit, in chunks. Returns the '
  'notification''s id, the same one for a repeated idempotency key. For the database owner.

p_audience_topic: The topic whose members it is for: push_topics.key.';

create function public.push_notify_topic(p_audience_topic text, p_message jsonb)
returns uuid
language sql
-- Definer: see push_notify.
security definer
set search_path = ''
as $$
  select push.send_to_topic(p_audience_topic, push.message_from(p_message));
$$;
comment on function public.push_notify_topic(text, jsonb) is
  'push.notify_topic() for servers: supabase.rpc(''push_notify_topic'', { p_audience_topic, p_message: { title, … } }) with the secret key. Service role only.

p_message: What it says, {"title": "Hello", "url": "/"}: keys as the parameters of push.notify_topic(), without their p_.';

revoke all on function public.push_notify_topic(text, jsonb) from public, anon, authenticated;
grant execute on function public.push_notify_topic(text, jsonb) to service_role;
