-- What a notification must be before it is stored.

create function push.check_notification()
returns trigger
language plpgsql
-- Definer: reads push.settings, which the service role that inserts may not.
security definer
set search_path = ''
as $$
declare
  v_params text := new.params::text;
begin
  -- Hardly any params have sixteen digits in a row, and only those are read number by number. What is too long is refused.
  if v_params ~ '[[ ][-0-9.]{16}' and octet_length(v_params) <= 3993 then
    new.params := push.exact_numbers(new.params);
    v_params := new.params::text;
  end if;
  if tg_op = 'INSERT' then
    -- PostgREST writes null for what a row of a bulk insert leaves out and another gives: that means the default as well.
    new.title := coalesce(new.title, '');
    new.params := coalesce(new.params, '{}');
    new.urgency := coalesce(new.urgency, '');
    new.inbox := coalesce(new.inbox, true);
    if new.template is not null and new.locale is null then
      new := push.fill_from_template(new, case when new.user_id is not null then push.locale_of(new.user_id) end);
    else
      -- Other languages come from a template alone, and were looked at as this text is.
      new.localized := null;
      if new.urgency = '' then
        new.urgency := 'normal';
      end if;
    end if;
  elsif (new.title, new.body, new.url, new.localized) is distinct from (old.title, old.body, old.url, old.localized) then
    -- A new text of a topic's message is for members of all languages.
    new.localized := null;
  end if;
  if new.digest_key is not null and (tg_op = 'INSERT' or new.digest_key is distinct from old.digest_key) then
    perform push.check_digest_key(new.digest_key, new.audience_topic);
  end if;
  new.send_at := coalesce(new.send_at, now());
  if new.expires_at is null then
    -- A TTL of 0 means "now or never" at the push service; we still try for a minute to reach that service.
    new.expires_at := new.send_at + make_interval(
      secs => greatest(coalesce(new.ttl, (select s.default_ttl from push.settings as s)), 60)
    );
  end if;
  if tg_op = 'INSERT' then
    new.status := case
      -- A summary is made when it is due, by the clock of the transaction that makes it.
      when new.send_at > now() and (new.inbox or new.digest_id is null) then 'scheduled'
      when new.audience_topic is not null then 'fanning_out'
      else 'queued'
    end;
  end if;
  -- One expression for what push.refuse_notification() checks one by one: each step there costs as much as all of this,
  -- and an application's commit waits for it. If this fails, that function says what is wrong. What costs more to look at is
  -- checked once for each message that a statement inserts, by push.check_new_notifications().
  if tg_op = 'UPDATE' or (
    num_nonnulls(new.user_id, new.audience_topic) = 1
    and btrim(new.title) <> '' and octet_length(new.title) <= 1000
    and (new.body is null or octet_length(new.body) <= 8000)
    and new.urgency in ('very-low', 'low', 'normal', 'high')
    and jsonb_typeof(new.params) = 'object'
    and (new.ttl is null or new.ttl between 0 and 2419200)
    and (new.collapse_key is null or new.collapse_key ~ '^[A-Za-z0-9_-]{1,32}$')
    and (new.tag is null or octet_length(new.tag) between 1 and 100)
    and (new.category is null or octet_length(new.category) <= 100)
    and (new.idempotency_key is null or octet_length(new.idempotency_key) <= 200)
    and new.expires_at > new.send_at
  ) is not true then
    perform push.refuse_notification(new);
  end if;
  return new;
end;
$$;
comment on function push.check_notification() is
  'Refuses a notification that no device could be sent (a new one together with push.check_new_notifications()), and sets what was left open. '
  'Makes strings of numbers that JavaScript would round.';

create trigger push_notifications_check
before insert or update of title, body, url, params, category, urgency, ttl, collapse_key, tag, send_at, expires_at, idempotency_key,
  digest_key, user_id, audience_topic, presentation, localized
on public.push_notifications
for each row execute function push.check_notification();

create function push.check_new_notifications()
returns trigger
language plpgsql
-- Definer: the service role that inserts may not use what is in push.
security definer
set search_path = ''
-- A statement of one row must not be sorted.
set enable_sort = off
as $$
declare
  v_said record;
begin
  for v_said in
    -- Most say nothing that has to be looked at more closely. Of the others each message is checked once, however many users
    -- it goes to: all that counts for the check is here, and nothing else. JSON as text: 1 and 1.000 are equal, and not as long.
    select distinct n.user_id is not null as is_to_user, n.audience_topic, n.title, n.body, n.url, n.params::text as params, n.category,
      n.urgency, n.ttl, n.collapse_key, n.tag, n.send_at, n.expires_at, n.idempotency_key, n.template, n.presentation::text as presentation,
      n.digest_key
    from push_checked_notifications as n
    where (
      n.presentation is null
      and (n.category is null or n.category ~ '^[^:[:cntrl:]]+(:[^:[:cntrl:]]+)*$')
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
