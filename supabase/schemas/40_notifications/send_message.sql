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
    p_message.template, push.exact_params(p_message.params), p_message.collapse_key, p_message.digest_key
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

create function push.insert_notifications(p_notifications public.push_notifications[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_count bigint;
begin
  -- One statement: ten thousand ring once. What is null here, the trigger sets.
  insert into public.push_notifications (
    id, user_id, audience_topic, title, body, url, params, category, urgency, ttl, collapse_key, tag, template, presentation, digest_key,
    send_at, expires_at, idempotency_key, locale, digest_id, inbox
  )
  select coalesce(n.id, gen_random_uuid()), n.user_id, n.audience_topic, n.title, n.body, n.url, n.params, n.category, n.urgency, n.ttl,
    n.collapse_key, n.tag, n.template, n.presentation, n.digest_key, n.send_at, n.expires_at, n.idempotency_key, n.locale, n.digest_id,
    n.inbox
  from unnest(p_notifications) as n
  on conflict do nothing;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
comment on function push.insert_notifications(public.push_notifications[]) is
  'Stores notifications in this order, but for those whose idempotency key was used; returns how many.';

create function push.send_message(p_user_id uuid, p_audience_topic text, p_message push.message, p_inbox boolean default true)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_notification public.push_notifications := push.notification_of(p_message, p_user_id, p_audience_topic);
  v_id uuid := gen_random_uuid();
  v_same boolean;
begin
  v_notification.id := v_id;
  v_notification.inbox := p_inbox;
  if push.insert_notifications(array[v_notification]) = 1 then
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
comment on function push.send_message(uuid, text, push.message, boolean) is
  'Makes the notification of a message to one user, or to one topic; returns its id, that of the first one for a repeated idempotency key.';

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
    -- With nothing left open, so that no trigger has to look for it in each row.
    select l.wanted, m.* from (select distinct r.wanted from recipients as r) as l
    cross join lateral push.complete_notification(push.fill_from_template(v_said, l.wanted)) as m
  )
  -- With a list of its own, and not by push.insert_notifications(): ten thousand times the same text would be held in one array.
  insert into public.push_notifications (
    user_id, title, body, url, params, category, urgency, ttl, collapse_key, tag, send_at, expires_at, idempotency_key, template, locale,
    presentation, digest_key
  )
  select r.id, m.title, m.body, m.url, m.params, m.category, m.urgency, m.ttl, m.collapse_key, m.tag, m.send_at,
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
