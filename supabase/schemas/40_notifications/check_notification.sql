-- What a notification must be before it is stored.

create function push.complete_notification(p_notification public.push_notifications)
returns public.push_notifications
language plpgsql
stable
set search_path = ''
as $$
begin
  -- PostgREST writes null for what a row of a bulk insert leaves out and another gives: that means the default as well.
  p_notification.title := coalesce(p_notification.title, '');
  p_notification.urgency := coalesce(nullif(p_notification.urgency, ''), 'normal');
  p_notification.inbox := coalesce(p_notification.inbox, true);
  p_notification.send_at := coalesce(p_notification.send_at, now());
  if p_notification.expires_at is null then
    -- A TTL of 0 means "now or never" at the push service; we still try for a minute to reach that service.
    p_notification.expires_at := p_notification.send_at + make_interval(
      secs => greatest(coalesce(p_notification.ttl, (select s.default_ttl from push.settings as s)), 60)
    );
  end if;
  return p_notification;
end;
$$;
comment on function push.complete_notification(public.push_notifications) is 'A notification with what was left open.';

create function push.exact_params(p_params jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_params constant text := p_params::text;
begin
  -- Hardly any params have sixteen digits in a row, and only those are read number by number. What is too long is refused.
  if v_params ~ '[[ ][-0-9.]{16}' and octet_length(v_params) <= 3993 then
    return push.exact_numbers(p_params);
  end if;
  return coalesce(p_params, '{}');
end;
$$;
comment on function push.exact_params(jsonb) is 'Params of a notification, with strings for numbers that JavaScript would round.';

create function push.prepare_notification()
returns trigger
language plpgsql
-- Definer: reads what the service role that inserts may not.
security definer
set search_path = ''
as $$
begin
  new.params := push.exact_params(new.params);
  if new.template is not null and new.locale is null then
    new := push.fill_from_template(new, case when new.user_id is not null then push.locale_of(new.user_id) end);
  else
    -- Other languages come from a template alone, and were looked at as this text is.
    new.localized := null;
  end if;
  if new.digest_key is not null then
    perform push.check_digest_key(new.digest_key, new.audience_topic);
  end if;
  new := push.complete_notification(new);
  new.status := case
    -- A summary is made when it is due, by the clock of the transaction that makes it.
    when new.send_at > now() and (new.inbox or new.digest_id is null) then 'scheduled'
    when new.audience_topic is not null then 'fanning_out'
    else 'queued'
  end;
  if num_nonnulls(new.user_id, new.audience_topic) <> 1 or octet_length(new.idempotency_key) > 200 then
    -- A constraint would be the first to refuse it, in words that help less.
    perform push.refuse_notification(new);
  end if;
  return new;
end;
$$;
comment on function push.prepare_notification() is
  'Sets what a new notification leaves open, in the words of its template if it has one; push.check_new_notifications() then looks at it.';

-- What leaves nothing open is stored as it is, such as those to a list of users, but for those with params: the call costs more than
-- the rest.
create trigger push_notifications_prepare
before insert on public.push_notifications
for each row when (
  new.title is null or new.urgency is null or new.urgency = '' or new.inbox is null or new.send_at is null or new.expires_at is null
  or new.params is null or new.params <> '{}' or new.localized is not null or new.digest_key is not null
  or new.template is not null and new.locale is null
  or new.user_id is null or new.audience_topic is not null or new.status is distinct from 'queued' or new.send_at > now()
  or octet_length(new.idempotency_key) > 200
)
execute function push.prepare_notification();

create function push.check_notification()
returns trigger
language plpgsql
-- Definer: reads what the service role may not.
security definer
set search_path = ''
as $$
declare
  v_complete constant public.push_notifications := push.complete_notification(new);
begin
  -- Times may be left open again. All else that is null here was set to null, and is refused.
  new.send_at := v_complete.send_at;
  new.expires_at := v_complete.expires_at;
  if new.params is not null then
    new.params := push.exact_params(new.params);
  end if;
  if (new.title, new.body, new.url, new.localized) is distinct from (old.title, old.body, old.url, old.localized) then
    -- A new text of a topic's message is for members of all languages.
    new.localized := null;
  end if;
  if new.digest_key is not null and new.digest_key is distinct from old.digest_key then
    perform push.check_digest_key(new.digest_key, new.audience_topic);
  end if;
  perform push.refuse_notification(new);
  return new;
end;
$$;
comment on function push.check_notification() is 'Refuses to change a notification into one that no device could be sent.';

create trigger push_notifications_check
before update of title, body, url, params, category, urgency, ttl, collapse_key, tag, send_at, expires_at, idempotency_key,
  digest_key, user_id, audience_topic, presentation, localized
on public.push_notifications
for each row execute function push.check_notification();

create function push.check_new_notifications()
returns trigger
language plpgsql
-- Definer: the service role that inserts may not use what is in push.
security definer
set search_path = ''
-- A plan that was made for one row is kept for ten thousand.
set enable_sort = off
set enable_nestloop = off
as $$
declare
  -- One expression for what push.refuse_notification() checks one by one: each step there costs as much as all of this, and
  -- an application's commit waits for it.
  v_failed constant uuid[] := (
    select array_agg(n.id)
    from push_checked_notifications as n
    where (
      n.presentation is null
      and btrim(n.title) <> '' and octet_length(n.title) <= 1000
      and (n.body is null or octet_length(n.body) <= 8000)
      and n.urgency in ('very-low', 'low', 'normal', 'high')
      and jsonb_typeof(n.params) = 'object'
      and (n.ttl is null or n.ttl between 0 and 2419200)
      and (n.collapse_key is null or n.collapse_key ~ '^[A-Za-z0-9_-]{1,32}$')
      and (n.tag is null or octet_length(n.tag) between 1 and 100)
      and (n.idempotency_key is null or octet_length(n.idempotency_key) <= 200)
      and n.expires_at > n.send_at
      and (n.category is null or (octet_length(n.category) <= 100 and n.category ~ '^[^:[:cntrl:]]+(:[^:[:cntrl:]]+)*$'))
      -- Only plain paths and addresses pass here: push.refuse_notification() checks the others.
      and (n.url is null or
        n.url ~ '^(/([A-Za-z0-9_.?=&%#-][A-Za-z0-9_.?=&%#/-]*)?|https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*([/?#][A-Za-z0-9_.?=&%#/-]*)?)$'
      )
      -- The rest of the message, with its texts cut, is less than 600 bytes. A character of a name becomes six bytes of JSON
      -- at most, and a character of such a url stays one byte.
      and octet_length(n.params::text) + octet_length(coalesce(n.url, ''))
        + 6 * (octet_length(coalesce(n.category, '')) + octet_length(coalesce(n.tag, n.collapse_key, ''))) <= 3300
      and octet_length(coalesce(n.url, '')) <= 2048
    ) is not true
  );
  v_said record;
begin
  if v_failed is null then
    return null;
  end if;
  for v_said in
    -- Of what fails here each message is checked once, however many users it goes to: all that counts for the check is here, and nothing
    -- else. JSON as text: 1 and 1.000 are equal, and not as long.
    select distinct n.user_id is not null as is_to_user, n.audience_topic, n.title, n.body, n.url, n.params::text as params, n.category,
      n.urgency, n.ttl, n.collapse_key, n.tag, n.send_at, n.expires_at, n.idempotency_key, n.template, n.presentation::text as presentation,
      n.digest_key
    from push_checked_notifications as n
    join unnest(v_failed) as f (id) on f.id = n.id
  loop
    perform push.refuse_notification(push.notification_of(
      row(
        v_said.title, v_said.body, v_said.url, v_said.params, v_said.category, v_said.urgency, v_said.ttl, v_said.collapse_key, v_said.tag,
        v_said.template, v_said.presentation, v_said.digest_key, v_said.send_at, v_said.expires_at, v_said.idempotency_key
      )::push.message,
      case when v_said.is_to_user then '00000000-0000-0000-0000-000000000000'::uuid end, v_said.audience_topic
    ));
  end loop;
  return null;
end;
$$;
comment on function push.check_new_notifications() is
  'Refuses a statement that inserts a notification which no device could be sent; looks at each of its messages once.';

-- Before the trigger that makes deliveries, which comes after it by name.
create trigger push_notifications_check_new
after insert on public.push_notifications
referencing new table as push_checked_notifications
for each statement execute function push.check_new_notifications();

create trigger push_notifications_serialize
before update of read_at on public.push_notifications
for each statement when (current_user = 'authenticated') execute function push.serialize_user_writes();
