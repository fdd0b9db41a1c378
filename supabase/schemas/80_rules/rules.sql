-- Rules, "when this table changes like this, notify these people", as SQL.
--
-- push.watch() compiles a rule into one trigger function per event, set-based over the transition tables: a statement
-- that changes ten thousand rows runs one insert. The expressions are the database owner's own SQL and are trusted as
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
  broken text,
  broken_since timestamptz,
  created_at timestamptz not null default now(),
  constraint rules_pkey primary key (name),
  constraint rules_name check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  constraint rules_events check (events <@ '{insert,update,delete}' and cardinality(events) > 0),
  constraint rules_text check (num_nonnulls(title, template) > 0),
  constraint rules_broken check ((broken is null) = (broken_since is null))
);
comment on table push.rules is
  'Rules as declared by push.watch(); each has a trigger per event on its table. How they are doing: push.rule_status.';
comment on column push.rules.watched is 'The table itself, so that it may be renamed and moved.';
comment on column push.rules.table_name is 'What the table was called when it was last looked at: to speak of it once it is gone.';
comment on column push.rules.template is 'The template that makes the text; title, body and url given beside it win.';
comment on column push.rules.urgency is 'Null: that of the template, or normal.';
comment on column push.rules.broken is 'Why it cannot work since its table or what it uses changed; null while it can. Kept by push.check_rules().';

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
