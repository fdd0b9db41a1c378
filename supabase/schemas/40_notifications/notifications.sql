-- Notifications, one message to one user or to one topic. Written by the service, by rules, or by push.notify().

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
  collapse_key text,
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
  constraint push_notifications_idempotency_key_length check (octet_length(idempotency_key) <= 200),
  constraint push_notifications_status check (status in ('scheduled', 'fanning_out', 'queued', 'digested', 'suppressed', 'cancelled'))
);
-- What a message says is checked by triggers: see check_notification.sql. A constraint behind them would cost every statement 5 µs to set
-- up.
comment on table public.push_notifications is 'One message to one user or one topic: what it says, when it is sent, when it stops mattering, and whether it was read.';
comment on column public.push_notifications.user_id is 'Whom it is for; null when it is for a topic.';
comment on column public.push_notifications.audience_topic is
  'The topic whose members it is for (push_topics.key); null when it is for one user.';
comment on column public.push_notifications.send_at is 'When it becomes due; now, unless given.';
comment on column public.push_notifications.title is 'At most 1000 bytes. Shortened on its way to a device where the message would not fit.';
comment on column public.push_notifications.body is 'At most 8000 bytes. Shortened on its way to a device, before the title is; here it stays whole.';
comment on column public.push_notifications.url is 'Where a click leads: a path of the app, or an https URL.';
comment on column public.push_notifications.params is
  'Values that travel with the message; the device gets them as `data`. A number that JavaScript would round is kept as a string of its digits.';
comment on column public.push_notifications.category is 'What a user can mute, hierarchical: alerts, alerts:DAX.';
comment on column public.push_notifications.ttl is 'Seconds a push service keeps the message for a device that is away (RFC 8030).';
comment on column public.push_notifications.collapse_key is
  'A later message of the same key replaces one that waits at the push service: the Topic header of RFC 8030, the collapse key of FCM. Never made of anything else: '
  'of a device that is away FCM keeps four keys and loses the rest.';
comment on column public.push_notifications.tag is
  'Notifications of the same tag replace each other on the device. Without tag and collapse key, only repeats of the same message do.';
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
  'The locale of the template that its text was made in; empty is the default. If it is given, the text counts as made already, and nothing is rendered.';
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
  'scheduled (waits for send_at), fanning_out (deliveries are being made, in chunks), queued (deliveries were made), '
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

alter table public.push_notifications enable row level security;

create policy push_notifications_select on public.push_notifications
for select to authenticated using (
  -- No user may read what is not sent yet, or was cancelled.
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
comment on policy push_notifications_select on public.push_notifications is
  'their own, and those of topics they are in; none that are scheduled or cancelled';
comment on policy push_notifications_update on public.push_notifications is 'their own; none that are scheduled or cancelled';

revoke all on public.push_notifications from anon, authenticated, service_role;
grant select on public.push_notifications to authenticated;
-- Reading is all a user may change about a message.
grant update (read_at) on public.push_notifications to authenticated;
grant select, insert, update, delete on public.push_notifications to service_role;

create function push.notification_of(p_message push.message, p_user_id uuid default null, p_audience_topic text default null)
returns public.push_notifications
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_said public.push_notifications;
begin
  v_said.user_id := p_user_id;
  v_said.audience_topic := p_audience_topic;
  -- Empty is for the template to say. JSON's null stays what it is, and is refused.
  v_said.title := coalesce(p_message.title, '');
  v_said.body := p_message.body;
  v_said.url := p_message.url;
  v_said.params := coalesce(p_message.params, '{}');
  v_said.category := p_message.category;
  v_said.urgency := coalesce(p_message.urgency, '');
  v_said.ttl := p_message.ttl;
  v_said.collapse_key := p_message.collapse_key;
  v_said.tag := p_message.tag;
  v_said.template := p_message.template;
  v_said.presentation := p_message.presentation;
  v_said.digest_key := p_message.digest_key;
  v_said.send_at := p_message.send_at;
  v_said.expires_at := p_message.expires_at;
  v_said.idempotency_key := p_message.idempotency_key;
  return v_said;
end;
$$;
comment on function push.notification_of(push.message, uuid, text) is 'A notification that says this, to this user or topic; not stored yet.';
