-- Rules, "when this table changes like this, notify these people", as SQL.
--
-- push.watch() compiles a rule into a function per event, which makes the notifications of up to a thousand changed rows at once, and
-- has the trigger that all rules of the table share call it. The expressions are the database owner's own SQL and are trusted as
-- such: no other role may execute push.watch().

create table push.rules (
  name text not null,
  watched regclass not null,
  table_schema text not null,
  table_name text not null,
  events text[] not null,
  columns text[],
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
  collapse_key text,
  idempotency_key text,
  tag text,
  digest_key text,
  presentation text,
  send_at text,
  expires_at text,
  broken text,
  broken_since timestamptz,
  created_at timestamptz not null default now(),
  checked_as bigint,
  constraint rules_pkey primary key (name),
  constraint rules_name check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  constraint rules_events check (events <@ '{insert,update,delete}' and cardinality(events) > 0),
  constraint rules_text check (num_nonnulls(title, template) > 0),
  constraint rules_broken check ((broken is null) = (broken_since is null))
);
comment on table push.rules is
  'Rules as declared by push.watch(); those of one table and event share a trigger. How they are doing: push.rule_status. For the database owner.';
comment on column push.rules.name is 'What the rule is called: 1 to 40 of a-z 0-9 _, a letter first.';
comment on column push.rules.events is 'On which of insert, update and delete it is looked at.';
comment on column push.rules.columns is 'On update: only rows in which one of these columns changed. Null: all.';
comment on column push.rules.condition is 'SQL expression: only rows for which it is true. Null: all.';
comment on column push.rules.recipients is 'SQL: a user id, an array of them, a query of them, or a function that returns any of these.';
comment on column push.rules.title is 'SQL expression of text; null leaves it to the template.';
comment on column push.rules.body is 'SQL expression of text; null leaves it to the template.';
comment on column push.rules.url is 'SQL expression of where a click leads: a path of the app, or an https URL.';
comment on column push.rules.params is 'SQL expression of jsonb that the device gets as data. Null, with columns: {"changes": rule.changes}.';
comment on column push.rules.collapse_key is 'The Topic header of RFC 8030, as it is: a later message replaces one that waits at the push service.';
comment on column push.rules.idempotency_key is 'SQL expression: a second message of the same key to the same user is not made.';
comment on column push.rules.template is 'The template (push_templates.key) that makes the text; title, body and url given beside it win.';
comment on column push.rules.category is 'What a user can mute, hierarchical: deals, deals:stage. Not an expression.';
comment on column push.rules.urgency is 'very-low, low, normal or high. Null: that of the template, or normal.';
comment on column push.rules.ttl is 'Seconds a push service keeps the message for a device that is away. Null: settings.default_ttl.';
comment on column push.rules.tag is 'SQL expression: messages of the same tag replace each other on the device.';
comment on column push.rules.digest_key is 'SQL expression: messages of the same key are summarised, as push.define_digest() says.';
comment on column push.rules.presentation is
  'SQL expression of jsonb: what a device shows besides the text, as push_notifications.presentation.';
comment on column push.rules.send_at is 'SQL expression of timestamptz: when it is sent. Null, or of a null: at once.';
comment on column push.rules.expires_at is
  'SQL expression of timestamptz: no attempt is made after it. Null, or of a null: after the TTL.';
comment on column push.rules.watched is 'The table itself, so that it may be renamed and moved.';
comment on column push.rules.table_name is 'What the table was called when it was last looked at: to speak of it once it is gone.';
comment on column push.rules.broken is 'Why it cannot work since its table or what it uses changed; null while it can. Kept by push.check_rules().';
comment on column push.rules.checked_as is
  'push.catalog_fingerprint() when push.check_rules() last found out whether it works; null: it has yet to look.';

alter table push.rules enable row level security;
create policy rules_nobody on push.rules for all to public using (false);

-- Recipients may be written as one user id or as an array of them.
create function push.user_ids(p_user_id uuid)
returns uuid[]
language sql
immutable
set search_path = ''
as $$ select array[p_user_id]; $$;
comment on function push.user_ids(uuid) is 'One recipient, as a list.';

create function push.user_ids(p_user_ids uuid[])
returns uuid[]
language sql
immutable
set search_path = ''
as $$ select p_user_ids; $$;
comment on function push.user_ids(uuid[]) is 'Recipients, as they are.';
