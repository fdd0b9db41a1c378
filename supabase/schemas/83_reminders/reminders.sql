-- Reminders, "an hour before bookings.starts_at, if it is still confirmed".
--
-- push.remind() works out for every row when it is due, and keeps those moments in a table of their own, which triggers
-- on the watched table keep up to date. So the tick finds what is due along an index, however large the table is. The
-- text, the recipients and the condition are evaluated when a reminder is due, on the row as it is then. The expressions are
-- the database owner's own SQL and are trusted as such: no other role may execute push.remind().

create table push.reminders (
  name text not null,
  watched regclass not null,
  table_name text not null,
  key_columns text[] not null,
  at text not null,
  before interval[] not null,
  timezone text,
  grace interval not null,
  condition text,
  recipients text not null,
  title text,
  body text,
  url text,
  params text,
  template text,
  category text,
  urgency text,
  ttl integer,
  tag text,
  digest_key text,
  presentation text,
  collapse_key text,
  expires_at text,
  created_at timestamptz not null default now(),
  constraint reminders_pkey primary key (name),
  constraint reminders_name check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  constraint reminders_before check (cardinality(before) between 1 and 20),
  constraint reminders_grace check (grace >= interval '1 minute'),
  constraint reminders_text check (num_nonnulls(title, template) > 0)
);
comment on table push.reminders is 'Reminders as declared by push.remind(); each has four triggers on its table. For the database owner.';
comment on column push.reminders.name is 'What the reminder is called: 1 to 40 of a-z 0-9 _, a letter first.';
comment on column push.reminders.at is 'SQL expression over new: the time of the row, a timestamptz.';
comment on column push.reminders.condition is 'SQL expression, looked at when the reminder is due: only rows for which it is true. Null: all.';
comment on column push.reminders.recipients is 'SQL: a user id, an array of them, a query of them, or a function that returns any of these.';
comment on column push.reminders.title is 'SQL expression of text; null leaves it to the template.';
comment on column push.reminders.body is 'SQL expression of text; null leaves it to the template.';
comment on column push.reminders.url is 'SQL expression of where a click leads: a path of the app, or an https URL.';
comment on column push.reminders.params is 'SQL expression of jsonb that the device gets as data.';
comment on column push.reminders.template is 'The template (push_templates.key) that makes the text; title, body and url given beside it win.';
comment on column push.reminders.category is 'What a user can mute, hierarchical: deals, deals:stage. Not an expression.';
comment on column push.reminders.urgency is 'very-low, low, normal or high. Null: that of the template, or normal.';
comment on column push.reminders.ttl is 'Seconds a push service keeps the message for a device that is away. Null: settings.default_ttl.';
comment on column push.reminders.tag is 'SQL expression: messages of the same tag replace each other on the device.';
comment on column push.reminders.digest_key is 'SQL expression: messages of the same key are summarised, as push.define_digest() says.';
comment on column push.reminders.presentation is
  'SQL expression of jsonb: what a device shows besides the text, as push_notifications.presentation.';
comment on column push.reminders.collapse_key is
  'The Topic header of RFC 8030, as it is: a later message replaces one that waits at the push service.';
comment on column push.reminders.expires_at is
  'SQL expression of timestamptz: no attempt is made after it. Null, or of a null: after the TTL, and when the row''s time has come, if it is announced.';
comment on column push.reminders.watched is 'The table itself, so that it may be renamed and moved.';
comment on column push.reminders.table_name is 'What the table was called when it was declared: to speak of it once it is gone.';
comment on column push.reminders.key_columns is 'The primary key when it was declared; the moments know their rows by it.';
comment on column push.reminders.before is 'How long before the row''s time; negative: after it.';
comment on column push.reminders.timezone is 'In whose calendar days, months and years are counted back, as an SQL expression; UTC when null.';
comment on column push.reminders.grace is 'How much later than its moment a reminder may still be sent.';

create table push.reminder_moments (
  id bigint not null generated always as identity,
  -- No foreign key: it would make every writer of the watched table lock the same row.
  reminder text not null,
  row_key jsonb not null,
  before interval not null,
  event_at timestamptz not null,
  due_at timestamptz not null,
  lapses_at timestamptz not null,
  try_at timestamptz not null,
  attempts integer not null default 0,
  state text not null default 'waiting',
  reason text,
  recipients integer,
  ended_at timestamptz,
  constraint reminder_moments_pkey primary key (id),
  constraint reminder_moments_state check (state in ('waiting', 'sent', 'skipped', 'failed')),
  constraint reminder_moments_ended check ((state = 'waiting') = (ended_at is null))
);
comment on table push.reminder_moments is
  'When a row is reminded of, one per row and offset: those to come, and for a while what became of the others. For the database owner.';
comment on column push.reminder_moments.row_key is 'The primary key of the row, by column.';
comment on column push.reminder_moments.event_at is 'The row''s time, of which it reminds.';
comment on column push.reminder_moments.lapses_at is
  'From then on it is too late: the grace is over, or what should have been announced has begun.';
comment on column push.reminder_moments.try_at is 'When the tick takes it: due_at, or later after an error.';
comment on column push.reminder_moments.reason is
  'Why it was not sent: too_late, condition (did not hold), no_recipients, sent_before (and came up again), moved or row_gone (noticed only now), error (see push.reminder_errors).';
comment on column push.reminder_moments.recipients is 'How many users were told.';

create index reminder_moments_due_idx on push.reminder_moments (try_at, id) where state = 'waiting';
-- Not unique, which would cost every writer more than the rest: the idempotency key prevents a second message.
create index reminder_moments_row_idx on push.reminder_moments (row_key, reminder) where state = 'waiting';
create index reminder_moments_ended_idx on push.reminder_moments (ended_at) where ended_at is not null;

create table push.reminder_errors (
  id bigint not null generated always as identity,
  reminder text not null,
  row_key jsonb,
  sqlstate text not null,
  message text not null,
  detail text,
  occurred_at timestamptz not null default clock_timestamp(),
  constraint reminder_errors_pkey primary key (id)
);
comment on table push.reminder_errors is
  'What went wrong in a reminder, when its row was written or when it was due. The write went through all the same. For the database owner.';
comment on column push.reminder_errors.row_key is
  'The row it is about, numbers beyond 2^53 as text; null when it is about the whole reminder.';
create index reminder_errors_reminder_idx on push.reminder_errors (reminder, occurred_at desc);
create index reminder_errors_age_idx on push.reminder_errors (occurred_at);

alter table push.reminders enable row level security;
create policy reminders_nobody on push.reminders for all to public using (false);
alter table push.reminder_moments enable row level security;
create policy reminder_moments_nobody on push.reminder_moments for all to public using (false);
alter table push.reminder_errors enable row level security;
create policy reminder_errors_nobody on push.reminder_errors for all to public using (false);

create function push.note_reminder_error(
  p_reminder text, p_row_key jsonb, p_sqlstate text, p_message text, p_detail text,
  p_now timestamptz default clock_timestamp()
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into push.reminder_errors (reminder, row_key, sqlstate, message, detail, occurred_at)
  values (p_reminder, push.exact_numbers(p_row_key), p_sqlstate, p_message, p_detail, p_now);
  -- Class 42, of no single row: a column, a table or a function is no longer what it was, and no row will go any better.
  if p_sqlstate like '42%' and p_row_key is null then
    perform push.raise_alarm('reminder_broken', p_reminder,
      format('Reminder %s no longer works: %s. Declare it again, or remove it with push.unremind().',
        p_reminder, p_message),
      p_now);
  end if;
end;
$$;
comment on function push.note_reminder_error(text, jsonb, text, text, text, timestamptz) is
  'Notes what went wrong in a reminder; raises an alarm when it is the reminder itself that is broken.';
