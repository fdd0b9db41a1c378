-- A message becomes a notification, to one user or to one topic, or one to each of many users.

create function push.says_the_same(p_first public.push_notifications, p_message push.message)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- When to send is left out on purpose: who calls again computes `now() + interval '1 hour'` anew, and means the same
  -- message. The first call's schedule stands.
  if (p_first.template, p_first.params, p_first.collapse_key, p_first.digest_key) is distinct from (
    p_message.template, coalesce(push.exact_numbers(p_message.params), '{}'), p_message.collapse_key, p_message.digest_key
  ) then
    return false;
  elsif p_message.template is null then
    return (
      p_first.title, p_first.body, p_first.url, p_first.category, p_first.urgency, p_first.ttl, p_first.tag, p_first.presentation
    ) is not distinct from (
      p_message.title, p_message.body, p_message.url, p_message.category, coalesce(p_message.urgency, 'normal'), p_message.ttl,
      p_message.tag, p_message.presentation
    );
  end if;
  -- A field that is left to the template counts as the same, even if the template has changed since.
  return p_first.title = coalesce(p_message.title, p_first.title)
    and p_first.urgency = coalesce(p_message.urgency, p_first.urgency)
    and (p_message.body is null or p_first.body is not distinct from p_message.body)
    and (p_message.url is null or p_first.url is not distinct from p_message.url)
    and (p_message.category is null or p_first.category is not distinct from p_message.category)
    and (p_message.ttl is null or p_first.ttl is not distinct from p_message.ttl)
    and (p_message.tag is null or p_first.tag is not distinct from p_message.tag)
    and (p_message.presentation is null
      or coalesce(p_first.presentation || p_message.presentation = p_first.presentation, false));
end;
$$;
comment on function push.says_the_same(public.push_notifications, push.message) is
  'Whether a call with a repeated idempotency key means the message that the first one made.';

create function push.send_message(p_user_id uuid, p_audience_topic text, p_message push.message)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
  v_same boolean;
begin
  insert into public.push_notifications (
    user_id, audience_topic, title, body, url, params, category, urgency, ttl, collapse_key, tag, template, presentation, digest_key,
    send_at, expires_at, idempotency_key
  )
  values (
    p_user_id, p_audience_topic, coalesce(p_message.title, ''), p_message.body, p_message.url, coalesce(p_message.params, '{}'),
    p_message.category, coalesce(p_message.urgency, ''), p_message.ttl, p_message.collapse_key, p_message.tag, p_message.template,
    p_message.presentation, p_message.digest_key, coalesce(p_message.send_at, now()), p_message.expires_at, p_message.idempotency_key
  )
  on conflict do nothing
  returning push_notifications.id into v_id;
  if v_id is not null then
    return v_id;
  end if;

  -- By two statements, each of which one index answers.
  if p_user_id is not null then
    select n.id, push.says_the_same(n, p_message) into v_id, v_same
    from public.push_notifications as n
    where n.user_id = p_user_id and n.idempotency_key = p_message.idempotency_key;
  else
    select n.id, push.says_the_same(n, p_message) into v_id, v_same
    from public.push_notifications as n
    where n.audience_topic = p_audience_topic and n.idempotency_key = p_message.idempotency_key;
  end if;
  if not v_same then
    perform push.refuse(409, 'idempotency_conflict', format(
      'This idempotency key was already used for another message to this %s.', case when p_user_id is null then 'topic' else 'user' end
    ), 'Use a new key for a new message.');
  end if;
  return v_id;
end;
$$;
comment on function push.send_message(uuid, text, push.message) is
  'Makes the notification of a message to one user, or to one topic; returns its id, that of the first one for a repeated idempotency key.';

create function push.notification_of(p_message push.message)
returns public.push_notifications
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_said public.push_notifications := jsonb_populate_record(null::public.push_notifications, to_jsonb(p_message) || jsonb_build_object(
    'title', coalesce(p_message.title, ''), 'urgency', coalesce(p_message.urgency, '')
  ));
begin
  -- JSON's null stays what it is, and is refused.
  v_said.params := coalesce(p_message.params, '{}');
  return v_said;
end;
$$;
comment on function push.notification_of(push.message) is 'A notification that says this, to no recipient yet.';

create function push.send_to_each(p_user_ids uuid[], p_message push.message)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_said constant public.push_notifications := push.notification_of(p_message);
  v_count bigint;
begin
  -- Set-based: ten thousand users are one statement and one ring of the bell. A template is rendered once for each locale that
  -- one of them has.
  with recipients as (
    select u.id, case when p_message.template is not null then coalesce(push.locale_of(u.id), '') else '' end as wanted
    from auth.users as u
    where u.id = any (p_user_ids)
  ), messages as materialized (
    select l.wanted, m.* from (select distinct r.wanted from recipients as r) as l
    cross join lateral push.fill_from_template(v_said, l.wanted) as m
  )
  insert into public.push_notifications (
    user_id, title, body, url, params, category, urgency, ttl, collapse_key, tag, send_at, expires_at, idempotency_key, template, locale,
    presentation, digest_key
  )
  select r.id, m.title, m.body, m.url, m.params, m.category, m.urgency, m.ttl, m.collapse_key, m.tag, coalesce(m.send_at, now()),
    m.expires_at, m.idempotency_key, m.template, m.locale, m.presentation, m.digest_key
  from recipients as r
  join messages as m on m.wanted = r.wanted
  -- In one order, so that two calls at once never wait for each other in a circle.
  order by r.id
  on conflict do nothing;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.send_to_each(uuid[], push.message) is
  'Makes a notification of a message for each of these users, and skips ids that are no user''s; returns how many were made.';
