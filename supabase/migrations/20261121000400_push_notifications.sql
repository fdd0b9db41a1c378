-- Supapush: notifications, one message to one user or to one topic. Written by the service, by rules, or by push.notify().

create table public.push_notifications (
  id uuid not null default gen_random_uuid(),
  user_id uuid,
  audience_topic text,
  -- Empty: not said. The trigger fills it from the template, or refuses it.
  title text not null default '',
  body text,
  url text,
  params jsonb not null default '{}',
  category text,
  urgency text not null default '',
  ttl integer,
  topic text,
  tag text,
  send_at timestamptz not null default now(),
  expires_at timestamptz,
  idempotency_key text,
  rule text,
  template text,
  locale text,
  presentation jsonb,
  localized jsonb,
  digest_key text,
  -- No foreign key: the inbox outlives the digest.
  digest_id uuid,
  status text not null default 'queued',
  read_at timestamptz,
  inbox boolean not null default true,
  created_at timestamptz not null default now(),
  constraint push_notifications_pkey primary key (id),
  constraint push_notifications_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint push_notifications_audience_topic_fkey foreign key (audience_topic)
    references public.push_topics (key) on delete cascade,
  constraint push_notifications_audience check (num_nonnulls(user_id, audience_topic) = 1),
  constraint push_notifications_urgency check (urgency in ('very-low', 'low', 'normal', 'high')),
  constraint push_notifications_ttl check (ttl between 0 and 2419200),
  constraint push_notifications_topic check (topic ~ '^[A-Za-z0-9_-]{1,32}$'),
  constraint push_notifications_tag check (octet_length(tag) between 1 and 100),
  constraint push_notifications_title check (octet_length(title) <= 1000),
  constraint push_notifications_body check (octet_length(body) <= 8000),
  constraint push_notifications_category check (octet_length(category) <= 100),
  constraint push_notifications_digest_key check (
    digest_key ~ '^[^[:space:]:]+(:[^[:space:]:]+)*$' and octet_length(digest_key) <= 90
  ),
  constraint push_notifications_idempotency_key_length check (octet_length(idempotency_key) <= 200),
  constraint push_notifications_params check (jsonb_typeof(params) = 'object'),
  constraint push_notifications_status check (status in ('scheduled', 'expanding', 'queued', 'digested', 'suppressed', 'cancelled'))
);
-- Presentation and localized have no constraint behind the trigger: each one costs every statement 5 µs to set up.
comment on table public.push_notifications is 'One message to one user or one topic: what it says, when it is sent, when it stops mattering, and whether it was read.';
comment on column public.push_notifications.user_id is 'Whom it is for; null when it is for a topic.';
comment on column public.push_notifications.audience_topic is
  'The topic whose members it is for (push_topics.key); null when it is for one user. Not the RFC 8030 header, which is `topic`.';
comment on column public.push_notifications.title is 'At most 1000 bytes. Shortened on its way to a device where the message would not fit.';
comment on column public.push_notifications.body is 'At most 8000 bytes. Shortened on its way to a device, before the title is; here it stays whole.';
comment on column public.push_notifications.url is 'Where a click leads: a path of the app, or an https URL.';
comment on column public.push_notifications.params is
  'Values that travel with the message; the device gets them as `data`. A number that JavaScript would round is kept as a string of its digits.';
comment on column public.push_notifications.category is 'What a user can mute, hierarchical: alerts, alerts:DAX.';
comment on column public.push_notifications.ttl is 'Seconds a push service keeps the message for a device that is away (RFC 8030).';
comment on column public.push_notifications.topic is
  'The Topic header of RFC 8030: a later message of the same topic replaces one that waits at the push service. Never made of anything else: '
  'of a device that is away FCM keeps four topics and loses the rest. Not an audience.';
comment on column public.push_notifications.tag is
  'Notifications of the same tag replace each other on the device. Without tag and topic, only repeats of the same message do.';
comment on column public.push_notifications.read_at is
  'When its user read it. Of a topic''s message it stays null: that is kept per member (push_reads).';
comment on column public.push_notifications.inbox is
  'Whether the inbox shows it. False for what only calls attention to others that it shows.';
comment on column public.push_notifications.expires_at is 'No attempt is made after this moment; by default send_at plus the TTL.';
comment on column public.push_notifications.idempotency_key is 'A second message of the same key for the same user or topic is not created.';
comment on column public.push_notifications.rule is 'The rule that made it, if one did.';
comment on column public.push_notifications.template is
  'The template (push_templates.key) its text was made from when it was inserted. What the notification said itself was left as it is.';
comment on column public.push_notifications.locale is
  'The locale of the template that its text was made in; empty is the default. Whoever gives it has made the text, and nothing is rendered.';
comment on column public.push_notifications.presentation is
  'What a device shows besides the text: icon, badge, image, actions [{action, title, icon, url}], require_interaction, silent, vibrate, renotify; '
  'on the app''s icon app_badge (a number, or "unread" for the count of its user); in apps sound ("default" unless silent, or a file of the app), '
  'channel (Android; unless given, the first part of the category), thread and interruption_level (passive, active, time-sensitive, critical).';
comment on column public.push_notifications.localized is
  'Of a topic''s message: title, body, url and presentation in the other locales of its template. Members get theirs; the row has the default.';
comment on column public.push_notifications.urgency is 'very-low, low, normal or high (RFC 8030); that of the template, or normal, when not given.';
comment on column public.push_notifications.digest_key is
  'Messages of the same key to the same user are summarised, as declared by push.define_digest(). Hierarchical: deals:42.';
comment on column public.push_notifications.digest_id is 'The digest it waits in, was summarised by, or is the summary of.';
comment on column public.push_notifications.status is
  'scheduled (waits for send_at), expanding (deliveries are being made, in chunks), queued (deliveries were made), '
  'digested (reaches devices only through a summary), suppressed (beyond a limit: its deliveries say which), cancelled.';

-- Indexes and no constraints, so that each holds its own kind of audience alone. The first also finds all of a user's
-- messages when the user is deleted.
create unique index push_notifications_idempotency_key
on public.push_notifications (user_id, idempotency_key) where user_id is not null;
create unique index push_notifications_audience_idempotency_key
on public.push_notifications (audience_topic, idempotency_key)
where audience_topic is not null and idempotency_key is not null;
-- The inbox, by the moment of sending, so that what was scheduled long ago does not appear far below. What is unread is
-- apart from what is read: a new message has one entry, what is unread is counted, and a page is taken from both.
create index push_notifications_unread_idx on public.push_notifications (user_id, send_at desc, id desc)
where user_id is not null and read_at is null and inbox and status not in ('scheduled', 'cancelled');
create index push_notifications_read_idx on public.push_notifications (user_id, send_at desc, id desc)
where user_id is not null and read_at is not null and inbox and status not in ('scheduled', 'cancelled');
create index push_notifications_audience_idx on public.push_notifications (audience_topic, send_at desc, id desc)
where audience_topic is not null;
create index push_notifications_scheduled_idx on public.push_notifications (send_at, id) where status = 'scheduled';

-- The most a push message holds in the clear (RFC 8291), and what remains of a long text at least. The encoder of the
-- message (src/notification/) has the same numbers: whatever is accepted here, it makes fit.
create function push.payload_bytes(
  p_title text, p_body text, p_url text, p_params jsonb, p_category text, p_tag text, p_presentation jsonb default null
)
returns integer
language sql
stable
set search_path = ''
as $$
  -- The message as the device gets it, with empty texts. Postgres writes a space after each comma and colon and no
  -- exponents, so the real one is never longer.
  select octet_length(jsonb_build_object(
    'web_push', 8030,
    'app_badge', 100,
    'notification', jsonb_build_object(
      'title', '', 'body', '', 'navigate', coalesce(p_url, '/'),
      -- The notification's id where there is none: a repeat of the message then replaces it.
      'tag', coalesce(p_tag, '00000000-0000-0000-0000-000000000000'),
      'data', p_params || jsonb_build_object('supapush', jsonb_build_object(
        'notification_id', '00000000-0000-0000-0000-000000000000', 'category', p_category,
        -- <delivery id>.<mac>, as long as it can be.
        'receipt', repeat('0', 42)
      ))
    ),
    'mutable', true
  )::text)
  + least(octet_length(to_json(p_title)::text) - 2, 64)
  + least(coalesce(octet_length(to_json(p_body)::text) - 2, 0), 128)
  -- Names are longer here than in the message, but for url, which is navigate there, and stands in every action.
  + case when p_presentation is null then 0 else octet_length(p_presentation::text) + (
    select coalesce(sum(20 + case when a.action ? 'url' then 0 else octet_length(to_json(coalesce(p_url, '/'))::text) end), 0)
    from jsonb_array_elements(p_presentation -> 'actions') as a (action)
  ) end;
$$;
comment on function push.payload_bytes(text, text, text, jsonb, text, text, jsonb) is
  'Bytes of the message that a device gets, once body and title were shortened as far as they may be.';

create function push.refuse_notification(p_notification public.push_notifications)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_bytes integer;
  v_fault text;
begin
  if num_nonnulls(p_notification.user_id, p_notification.audience_topic) <> 1 then
    perform push.refuse(400, 'audience_missing', 'A notification goes to one user or to one topic.',
      'Give either user_id or audience_topic (the key of a row in push_topics).');
  end if;
  if coalesce(btrim(p_notification.title), '') = '' then
    perform push.refuse(400, 'title_missing', 'A notification needs a title.', 'Give a title that is not empty.');
  end if;
  if p_notification.urgency is null or p_notification.urgency not in ('very-low', 'low', 'normal', 'high') then
    perform push.refuse(400, 'urgency_unknown', 'Unknown urgency.', 'Use very-low, low, normal or high (RFC 8030).');
  end if;
  if p_notification.ttl not between 0 and 2419200 then
    perform push.refuse(400, 'ttl_out_of_range', 'ttl must be from 0 to 2419200 seconds (28 days).', 'Use a ttl in that range.');
  end if;
  if p_notification.topic !~ '^[A-Za-z0-9_-]{1,32}$' then
    perform push.refuse(400, 'topic_malformed', 'A topic must have 1 to 32 characters from A-Z a-z 0-9 _ -.', 'Shorten the topic, or use a hash of it (RFC 8030).');
  end if;
  -- Anything but a path of the app or https (javascript:, data:, //other.host) has no business behind a click.
  if not push.is_link(p_notification.url) then
    perform push.refuse(400, 'url_malformed', 'The url must be a path that starts with /, or an https URL, of at most 2048 bytes.', 'Correct the url.');
  end if;
  if octet_length(p_notification.tag) not between 1 and 100 then
    perform push.refuse(400, 'tag_malformed', 'A tag must have 1 to 100 bytes.', 'Shorten it, use a hash of it, or leave it out.');
  end if;
  perform push.refuse_category(p_notification.category);
  if octet_length(p_notification.idempotency_key) > 200 then
    perform push.refuse(400, 'idempotency_key_too_long', 'An idempotency key can have at most 200 bytes.', 'Shorten it, or use a hash of it.');
  end if;
  if jsonb_typeof(p_notification.params) is distinct from 'object' then
    perform push.refuse(400, 'params_malformed', 'params must be a JSON object.', 'Give an object, or {} if there are no params.');
  end if;
  -- Text is shortened on its way, so these two are limits of the inbox; data is never cut.
  if octet_length(p_notification.title) > 1000 or octet_length(p_notification.body) > 8000 then
    perform push.refuse(413, 'text_too_large',
      format('The title has %s bytes and the body %s. The limits are 1000 and 8000.',
        octet_length(p_notification.title), coalesce(octet_length(p_notification.body), 0)),
      'Shorten the text. A device shows only a few hundred bytes.');
  end if;
  v_fault := push.presentation_fault(p_notification.presentation);
  if v_fault is not null then
    perform push.refuse(400, 'presentation_malformed', format('The presentation cannot be shown: %s.', v_fault),
      'Use icon, badge, image, actions [{action, title, icon, url}], require_interaction, silent, vibrate, renotify, app_badge, sound, channel, '
      'thread and interruption_level.');
  end if;
  v_bytes := push.payload_bytes(
    p_notification.title, p_notification.body, p_notification.url, p_notification.params, p_notification.category,
    coalesce(p_notification.tag, p_notification.topic), p_notification.presentation
  );
  if v_bytes > 3993 then
    perform push.refuse(413, 'notification_too_large',
      format('Even with its text shortened the message has %s bytes. The limit is 3993 (params %s, url %s, category %s, tag %s, presentation %s).',
        v_bytes, octet_length(p_notification.params::text), coalesce(octet_length(p_notification.url), 0),
        coalesce(octet_length(p_notification.category), 0), coalesce(octet_length(p_notification.tag), 0),
        coalesce(octet_length(p_notification.presentation::text), 0)),
      'Shorten params: send an id, and let the device load the rest.');
  end if;
  if p_notification.expires_at <= p_notification.send_at then
    perform push.refuse(400, 'expires_before_sent', 'expires_at must be after send_at.', 'Correct expires_at or leave it out.');
  end if;
end;
$$;
comment on function push.refuse_notification(public.push_notifications) is
  'Raises what is wrong with a notification that no device could be sent; returns when nothing is.';

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
    -- Whoever writes the text of a topic's message anew has written it for all.
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
      -- A summary is made at its moment, by the clock of who makes it.
      when new.send_at > now() and (new.inbox or new.digest_id is null) then 'scheduled'
      when new.audience_topic is not null then 'expanding'
      else 'queued'
    end;
  end if;
  -- In one expression what push.refuse_notification() looks at one by one: every step costs as much as this whole line,
  -- and an application's commit waits for it. Whoever fails here is told there what is wrong.
  if (
    num_nonnulls(new.user_id, new.audience_topic) = 1
    and btrim(new.title) <> '' and octet_length(new.title) <= 1000
    and (new.body is null or octet_length(new.body) <= 8000)
    and new.urgency in ('very-low', 'low', 'normal', 'high')
    and jsonb_typeof(new.params) = 'object'
    and (new.ttl is null or new.ttl between 0 and 2419200)
    and (new.topic is null or new.topic ~ '^[A-Za-z0-9_-]{1,32}$')
    and (new.tag is null or octet_length(new.tag) between 1 and 100)
    and (new.category is null or (octet_length(new.category) <= 100 and new.category ~ '^[^:[:cntrl:]]+(:[^:[:cntrl:]]+)*$'))
    and new.presentation is null
    and (new.idempotency_key is null or octet_length(new.idempotency_key) <= 200)
    -- Only the plainest paths and addresses: what is longer or stranger is looked at there.
    and (new.url is null or 
      new.url ~ '^(/([A-Za-z0-9_.?=&%#-][A-Za-z0-9_.?=&%#/-]*)?|https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*([/?#][A-Za-z0-9_.?=&%#/-]*)?)$'
    )
    -- What surrounds these in the message, and what is left of its texts, is less than 600 bytes. A character of a name
    -- becomes six bytes of JSON at most, and one of such a url stays one.
    and octet_length(v_params) + octet_length(coalesce(new.url, ''))
      + 6 * (octet_length(coalesce(new.category, '')) + octet_length(coalesce(new.tag, new.topic, ''))) <= 3300
    and octet_length(coalesce(new.url, '')) <= 2048
    and new.expires_at > new.send_at
  ) is not true then
    perform push.refuse_notification(new);
  end if;
  return new;
end;
$$;
comment on function push.check_notification() is
  'Refuses a notification that no device could be sent, and sets what was left open. Makes strings of numbers that JavaScript would round.';

create trigger push_notifications_check
before insert or update of title, body, url, params, category, urgency, ttl, topic, tag, send_at, expires_at, idempotency_key,
  digest_key, user_id, audience_topic, presentation, localized
on public.push_notifications
for each row execute function push.check_notification();

create trigger push_notifications_turns
before update of read_at on public.push_notifications
for each statement when (current_user = 'authenticated') execute function push.take_turns();

alter table public.push_notifications enable row level security;

create policy push_notifications_select on public.push_notifications
for select to authenticated using (
  -- What is not sent yet, or was taken back, is nobody's to read.
  status not in ('scheduled', 'cancelled')
  and (
    (select public.push_user_id()) = user_id
    -- An array made once per query: both sides of the `or` are then found by index.
    or audience_topic = any (array(
      select m.topic from public.push_topic_members as m where m.user_id = (select public.push_user_id())
    ))
  )
);
create policy push_notifications_update on public.push_notifications
for update to authenticated
using ((select public.push_user_id()) = user_id and status not in ('scheduled', 'cancelled'))
with check ((select public.push_user_id()) = user_id);

revoke all on public.push_notifications from anon, authenticated, service_role;
grant select on public.push_notifications to authenticated;
-- Reading is all a user may change about a message.
grant update (read_at) on public.push_notifications to authenticated;
grant select, insert, update, delete on public.push_notifications to service_role;

revoke all on all functions in schema push from public;
