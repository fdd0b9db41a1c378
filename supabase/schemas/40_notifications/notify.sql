-- Push.notify() and push.notify_many(), for migrations, triggers and SQL of your own, and an RPC for servers.

create function push.says_the_same(
  p_first public.push_notifications,
  p_title text,
  p_body text,
  p_url text,
  p_params jsonb,
  p_category text,
  p_urgency text,
  p_ttl integer,
  p_topic text,
  p_tag text,
  p_template text,
  p_presentation jsonb,
  p_digest_key text
)
returns boolean
language sql
immutable
set search_path = ''
as $$
  -- When to send is left out on purpose: who calls again computes `now() + interval '1 hour'` anew, and means the same
  -- message. The first call's schedule stands.
  select (p_first.template, p_first.params, p_first.topic, p_first.digest_key)
    is not distinct from (p_template, coalesce(push.exact_numbers(p_params), '{}'), p_topic, p_digest_key)
  and case when p_template is null then
    (p_first.title, p_first.body, p_first.url, p_first.category, p_first.urgency, p_first.ttl, p_first.tag, p_first.presentation)
      is not distinct from
    (p_title, p_body, p_url, p_category, coalesce(p_urgency, 'normal'), p_ttl, p_tag, p_presentation)
  else
    -- A field that is left to the template counts as the same, even if the template has changed since.
    p_first.title = coalesce(p_title, p_first.title)
    and p_first.urgency = coalesce(p_urgency, p_first.urgency)
    and (p_body is null or p_first.body is not distinct from p_body)
    and (p_url is null or p_first.url is not distinct from p_url)
    and (p_category is null or p_first.category is not distinct from p_category)
    and (p_ttl is null or p_first.ttl is not distinct from p_ttl)
    and (p_tag is null or p_first.tag is not distinct from p_tag)
    and (p_presentation is null or coalesce(p_first.presentation || p_presentation = p_first.presentation, false))
  end;
$$;
comment on function push.says_the_same(
  public.push_notifications, text, text, text, jsonb, text, text, integer, text, text, text, jsonb, text
) is
  'Whether a call with a repeated idempotency key means the message that the first one made.';

create function push.notify(
  p_user_id uuid,
  p_title text default null,
  p_body text default null,
  p_url text default null,
  p_params jsonb default '{}',
  p_category text default null,
  p_urgency text default null,
  p_ttl integer default null,
  p_topic text default null,
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
declare
  v_id uuid;
  v_same boolean;
begin
  if not exists (select from auth.users as u where u.id = p_user_id) then
    perform push.refuse(404, 'user_unknown', 'No user has this id.', 'Give the id of a row in auth.users.');
  end if;
  insert into public.push_notifications (
    user_id, title, body, url, params, category, urgency, ttl, topic, tag, send_at, expires_at, idempotency_key, template,
    presentation, digest_key
  )
  values (
    p_user_id, coalesce(p_title, ''), p_body, p_url, coalesce(p_params, '{}'), p_category, coalesce(p_urgency, ''), p_ttl,
    p_topic, p_tag, coalesce(p_send_at, now()), p_expires_at, p_idempotency_key, p_template, p_presentation, p_digest_key
  )
  on conflict do nothing
  returning push_notifications.id into v_id;
  if v_id is not null then
    return v_id;
  end if;

  select n.id, push.says_the_same(n, p_title, p_body, p_url, p_params, p_category, p_urgency, p_ttl, p_topic, p_tag, p_template,
    p_presentation, p_digest_key)
  into v_id, v_same
  from public.push_notifications as n
  where n.user_id = p_user_id and n.idempotency_key = p_idempotency_key;
  if not v_same then
    perform push.refuse(409, 'idempotency_conflict',
      'This idempotency key was already used for another message to this user.',
      'Use a new key for a new message.');
  end if;
  return v_id;
end;
$$;
comment on function push.notify(
  uuid, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) is
  'Notifies one user on all devices, now or at p_send_at; returns the notification''s id, the same one for a repeated idempotency key. For the database owner.

p_user_id: Whom it is for: an id of auth.users.';

create function push.notify_many(
  p_user_ids uuid[],
  p_title text default null,
  p_body text default null,
  p_url text default null,
  p_params jsonb default '{}',
  p_category text default null,
  p_urgency text default null,
  p_ttl integer default null,
  p_topic text default null,
  p_send_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_idempotency_key text default null,
  p_tag text default null,
  p_template text default null,
  p_presentation jsonb default null,
  p_digest_key text default null
)
returns bigint
language sql
set search_path = ''
as $$
  -- Set-based: ten thousand users are one statement, one expansion and one ring of the bell. A template is rendered once
  -- for each locale that one of them has.
  with recipients as (
    select u.id, case when p_template is not null then coalesce(push.locale_of(u.id), '') end as wanted
    from auth.users as u
    where u.id = any (p_user_ids)
  ), messages as materialized (
    select l.wanted, m.title, m.body, m.url, m.category, m.urgency, m.ttl, m.tag, m.locale, m.presentation
    from (select distinct r.wanted from recipients as r where p_template is not null) as l
    cross join lateral push.fill_from_template(
      jsonb_populate_record(null::public.push_notifications, jsonb_build_object(
        'template', p_template, 'params', coalesce(p_params, '{}'), 'title', p_title, 'body', p_body, 'url', p_url,
        'category', p_category, 'urgency', p_urgency, 'ttl', p_ttl, 'tag', p_tag, 'presentation', p_presentation
      )), l.wanted
    ) as m
  ), inserted as (
    insert into public.push_notifications (
      user_id, title, body, url, params, category, urgency, ttl, topic, tag, send_at, expires_at, idempotency_key, template,
      locale, presentation, digest_key
    )
    select r.id, coalesce(m.title, p_title, ''), coalesce(m.body, p_body), coalesce(m.url, p_url), coalesce(p_params, '{}'),
      coalesce(m.category, p_category), coalesce(m.urgency, p_urgency, ''), coalesce(m.ttl, p_ttl), p_topic,
      coalesce(m.tag, p_tag), coalesce(p_send_at, now()), p_expires_at, p_idempotency_key, p_template,
      m.locale, coalesce(m.presentation, p_presentation), p_digest_key
    from recipients as r
    left join messages as m on m.wanted = r.wanted
    on conflict do nothing
    returning push_notifications.id
  )
  select count(*) from inserted;
$$;
comment on function push.notify_many(
  uuid[], text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) is
  'Notifies each of these users once, and skips ids that are no user''s; returns how many notifications were made (a repeated idempotency key makes none). For the database owner.

p_user_ids: Whom it is for: ids of auth.users.';

create function public.push_notify(
  p_user_id uuid,
  p_title text default null,
  p_body text default null,
  p_url text default null,
  p_params jsonb default '{}',
  p_category text default null,
  p_urgency text default null,
  p_ttl integer default null,
  p_topic text default null,
  p_send_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_idempotency_key text default null,
  p_tag text default null,
  p_template text default null,
  p_presentation jsonb default null,
  p_digest_key text default null
)
returns uuid
language sql
-- Definer: push.notify() stands in the private schema, which the service role may not use.
security definer
set search_path = ''
as $$
  select push.notify(
    p_user_id, p_title, p_body, p_url, p_params, p_category, p_urgency, p_ttl, p_topic, p_send_at, p_expires_at,
    p_idempotency_key, p_tag, p_template, p_presentation, p_digest_key
  );
$$;
comment on function public.push_notify(
  uuid, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) is
  'push.notify() for servers: supabase.rpc(''push_notify'', { p_user_id, p_title, … }) with the secret key. Service role only.';

revoke all on function public.push_notify(
  uuid, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) from public, anon, authenticated;
grant execute on function public.push_notify(
  uuid, text, text, text, jsonb, text, text, integer, text, timestamptz, timestamptz, text, text, text, jsonb, text
) to service_role;
