-- Digests: their policies, and the windows in which messages of one key to one user are gathered.
--
--   open ─window over, or enough items─► sealed ─tick─► closed (with a summary, unless nothing was left to say)
--
-- A transaction that joins a digest holds its row with a key-share lock until commit, so joiners never wait for each other.
-- The one that closes it takes the row for update and skips it while there is a joiner: a summary is made once, and counts
-- every message that has joined. Sealing writes a row beside it, and only the closer updates the locked one: an update that
-- changes no key does not wait for those who share the row, and about once in 100,000 times it loses the lock of a joiner
-- who takes it at that very moment (Postgres 17.10, rows that move to another page).

create table push.digest_policies (
  key text not null,
  window_length interval not null,
  title text,
  body text,
  url text,
  template text,
  leads boolean not null default false,
  max_items integer not null default 50,
  more_text text not null default 'and %s more',
  constraint digest_policies_pkey primary key (key),
  constraint digest_policies_key check (key ~ '^[^[:space:]:]+(:[^[:space:]:]+)*$' and octet_length(key) <= 90),
  constraint digest_policies_window check (window_length between interval '10 seconds' and interval '31 days'),
  constraint digest_policies_texts check (
    octet_length(title) between 1 and 1000 and octet_length(body) <= 8000 and octet_length(url) <= 2048
    and octet_length(template) between 1 and 100
  ),
  constraint digest_policies_one_voice check (template is null or num_nonnulls(title, body) = 0),
  constraint digest_policies_max_items check (max_items between 2 and 1000),
  constraint digest_policies_more_text check (more_text ~ '^[^%]*%s[^%]*$' and octet_length(more_text) <= 200)
);
comment on table push.digest_policies is 'Digests as declared by push.define_digest(): how long messages of a key are collected, and what the summary says. For the database owner.';
comment on column push.digest_policies.url is 'Where a click on the summary leads; null: where the template or the newest item says.';
comment on column push.digest_policies.template is 'The template (push_templates.key) of the summary, in place of title and body.';
comment on column push.digest_policies.key is 'Applies to this key and all below it; of several that of the longest key does: deals applies to deals:42.';
comment on column push.digest_policies.window_length is 'From the first message to the summary.';
comment on column push.digest_policies.title is 'Of the summary; null: the newest item''s.';
comment on column push.digest_policies.body is 'Of the summary; null: more_text, or the body of the item if there is only one.';
comment on column push.digest_policies.leads is 'The first message goes at once; only what follows within the window is summarised.';
comment on column push.digest_policies.max_items is 'A digest that holds so many does not wait for the end of its window.';
comment on column push.digest_policies.more_text is 'Stands below the newest item''s title; %s is the number of the others.';

alter table push.digest_policies enable row level security;
create policy digest_policies_nobody on push.digest_policies for all to public using (false);

create table push.digests (
  id uuid not null,
  user_id uuid not null,
  digest_key text not null,
  policy text not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  items bigint,
  summary_id uuid,
  constraint digests_pkey primary key (id),
  constraint digests_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
comment on table push.digests is
  'One window of one digest key of one user. Its items are the notifications with its id. A transaction that adds one holds a key-share lock until commit.';
comment on column push.digests.policy is 'The key of the policy that opened it. No foreign key: it is closed even if that was dropped meanwhile.';
comment on column push.digests.items is 'Messages that the summary counts.';
comment on column push.digests.summary_id is 'The notification that summarises it; null when all items were taken back, read or too late by then.';

-- Unique so that closing changes a key: a transaction that joins by an older snapshot then conflicts with the closer instead
-- of joining what is closed already. Old digests are also deleted in this order.
create unique index digests_closed_key on push.digests (closed_at, id);
create index digests_user_id_idx on push.digests (user_id);

alter table push.digests enable row level security;
create policy digests_nobody on push.digests for all to public using (false);

create table push.digest_windows (
  digest_id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  digest_key text not null,
  policy text not null,
  open boolean not null default true,
  closes_at timestamptz not null,
  deferred boolean not null default false,
  constraint digest_windows_pkey primary key (digest_id),
  constraint digest_windows_digest_id_fkey foreign key (digest_id) references push.digests (id) on delete cascade
);
comment on table push.digest_windows is 'The digests that are not closed yet, and when they will be.';
comment on column push.digest_windows.open is 'Whether messages join it. False from its end on, though the summary may still have to be made.';
comment on column push.digest_windows.closes_at is 'When the summary is due; moved when it could not be made.';
comment on column push.digest_windows.deferred is 'Whether its end was moved to that of its user''s quiet hours: such digests of one key have one summary.';

create unique index digest_windows_open_key on push.digest_windows (user_id, digest_key) where open;
create index digest_windows_closing_idx on push.digest_windows (closes_at, digest_id);

alter table push.digest_windows enable row level security;
create policy digest_windows_nobody on push.digest_windows for all to public using (false);

create function push.check_digest_key(p_digest_key text, p_audience_topic text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if not push.is_digest_key(p_digest_key) then
    perform push.refuse(400, 'digest_key_malformed', 'A digest key must have 1 to 90 bytes, no spaces, and colons between its parts.',
      'Use a key such as deals:42.');
  end if;
  if p_audience_topic is not null then
    perform push.refuse(400, 'digest_of_topic', 'A message to a topic cannot wait in a digest.',
      'Leave out the digest key, or notify the members with push.notify_many().');
  end if;
  if not exists (
    select from push.digest_policies as p where p_digest_key = p.key or starts_with(p_digest_key, p.key || ':')
  ) then
    perform push.refuse(400, 'digest_unknown', format('No digest is defined for %s.', p_digest_key),
      'Define one with push.define_digest() for this key, or for the part before one of its colons.');
  end if;
end;
$$;
comment on function push.check_digest_key(text, text) is 'Refuses a digest key by which nothing could be collected.';
