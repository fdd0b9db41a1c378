-- Supapush: digests. Messages of one key to one user within a window reach devices as one summary.
--
--   open ─window over, or enough items─► sealed ─tick─► closed (with a summary, unless nothing was left to say)
--
-- Who joins a digest holds its row with a key-share lock until commit, so joiners never wait for each other. Who closes it
-- takes the row for update and skips it while somebody joins: a summary is made once, and counts everybody who had joined.
-- Sealing happens in a row beside it. The one that is locked is updated by the closer alone: an update that changes no key
-- may pass those who share it, and once in some 100,000 it loses the lock of one who takes it at that very moment
-- (Postgres 17.10, rows that move to another page).

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
comment on table push.digest_policies is 'Digests as declared by push.define_digest(): how long messages of a key are collected, and what the summary says.';
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
  'One window of one digest key of one user. Its items are the notifications with its id. Whoever adds one shares its key until commit.';
comment on column push.digests.policy is 'The key of the policy that opened it. No foreign key: it is closed even if that was dropped meanwhile.';
comment on column push.digests.items is 'Messages that the summary counts.';
comment on column push.digests.summary_id is 'The notification that summarises it; null when all items were taken back, read or too late by then.';

-- Unique so that closing changes a key: whoever joins by an older snapshot then meets the closer, instead of being let
-- through to what is closed already. By this order old ones are cleared away, too.
create unique index digests_closed_key on push.digests (closed_at, id);
create index digests_user_id_idx on push.digests (user_id);
create index push_notifications_digest_idx on public.push_notifications (digest_id) where status = 'digested';

alter table push.digests enable row level security;
create policy digests_nobody on push.digests for all to public using (false);

create table push.digest_windows (
  digest_id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  digest_key text not null,
  policy text not null,
  open boolean not null default true,
  closes_at timestamptz not null,
  slept boolean not null default false,
  constraint digest_windows_pkey primary key (digest_id),
  constraint digest_windows_digest_id_fkey foreign key (digest_id) references push.digests (id) on delete cascade
);
comment on table push.digest_windows is 'The digests that are not closed yet, and when they will be.';
comment on column push.digest_windows.open is 'Whether messages join it. False from its end on, though the summary may still have to be made.';
comment on column push.digest_windows.closes_at is 'When the summary is due; moved when it could not be made.';
comment on column push.digest_windows.slept is 'Whether its end was moved to that of its user''s quiet hours: such digests of one key have one summary.';

create unique index digest_windows_open_key on push.digest_windows (user_id, digest_key) where open;
create index digest_windows_closing_idx on push.digest_windows (closes_at, digest_id);

alter table push.digest_windows enable row level security;
create policy digest_windows_nobody on push.digest_windows for all to public using (false);

-- declared -----------------------------------------------------------------------------------------------------

create function push.check_digest_key(p_digest_key text, p_audience_topic text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_digest_key !~ '^[^[:space:]:]+(:[^[:space:]:]+)*$' or octet_length(p_digest_key) > 90 then
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

create function push.define_digest(
  p_key text,
  p_window interval,
  p_title text default null,
  p_body text default null,
  p_url text default null,
  p_template text default null,
  p_leading boolean default false,
  p_max_items integer default 50,
  p_more_text text default 'and %s more'
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_key is null or p_key !~ '^[^[:space:]:]+(:[^[:space:]:]+)*$' or octet_length(p_key) > 90 then
    perform push.refuse(400, 'digest_key_malformed', 'A digest key must have 1 to 90 bytes, no spaces, and colons between its parts.',
      'Use a key such as deals.');
  end if;
  if p_window is null or p_window not between interval '10 seconds' and interval '31 days' then
    perform push.refuse(400, 'digest_window_out_of_range', 'The window must be between 10 seconds and 31 days.', 'Use a window in that range.');
  end if;
  if coalesce(p_max_items, 50) not between 2 and 1000 then
    perform push.refuse(400, 'digest_max_items_out_of_range', 'A digest can hold 2 to 1000 items.', 'Use a number in that range.');
  end if;
  if p_template is not null and num_nonnulls(p_title, p_body) > 0 then
    perform push.refuse(400, 'digest_texts_twice', 'The summary comes either from the template or from p_title and p_body.',
      'Leave one of them out.');
  end if;
  if btrim(p_title) = '' or octet_length(p_title) > 1000 or octet_length(p_body) > 8000 or octet_length(p_template) not between 1 and 100 then
    perform push.refuse(400, 'digest_texts_malformed', 'A title must have 1 to 1000 bytes, a body at most 8000, and a template''s key 1 to 100.',
      'Correct the text.');
  end if;
  if p_url !~ '^(/([^/].*)?|https://[^/].*)$' or p_url ~ '[[:cntrl:][:space:]\\]' or octet_length(p_url) > 2048 then
    perform push.refuse(400, 'url_malformed', 'The url must be a path that starts with /, or an https URL, of at most 2048 bytes.', 'Correct the url.');
  end if;
  if p_more_text !~ '^[^%]*%s[^%]*$' or octet_length(p_more_text) > 200 then
    perform push.refuse(400, 'digest_more_text_malformed', 'p_more_text must contain %s once, for the number, no other %, and at most 200 bytes.',
      'Use something like: and %s more');
  end if;
  insert into push.digest_policies as d (key, window_length, title, body, url, template, leads, max_items, more_text)
  values (
    p_key, p_window, p_title, p_body, p_url, p_template, coalesce(p_leading, false), coalesce(p_max_items, 50),
    coalesce(p_more_text, 'and %s more')
  )
  on conflict (key) do update
  set window_length = excluded.window_length, title = excluded.title, body = excluded.body, url = excluded.url,
      template = excluded.template, leads = excluded.leads, max_items = excluded.max_items, more_text = excluded.more_text;
end;
$$;
comment on function push.define_digest(text, interval, text, text, text, text, boolean, integer, text) is
  'Declares that messages whose digest_key is p_key, or lies below it, are collected per user and key for p_window and summarised in '
  'one push. Again with the same key: replaces it; what is open closes at the moment it had.';

create function push.drop_digest(p_key text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_category text;
begin
  delete from push.digest_policies as p where p.key = p_key;
  if not found then
    perform push.refuse(404, 'digest_unknown', 'No digest has this key.', 'See push.digest_policies.');
  end if;
  select c.key into v_category from public.push_categories as c
  where c.throttle_overflow is not null and not exists (
    select from push.digest_policies as p
    where c.throttle_overflow = p.key or starts_with(c.throttle_overflow, p.key || ':')
  )
  limit 1;
  if v_category is not null then
    perform push.refuse(409, 'digest_in_use', format('Category %s uses this digest for its throttle.', v_category),
      'Change throttle_overflow of that category first.');
  end if;
end;
$$;
comment on function push.drop_digest(text) is
  'Takes a digest back. What is open is summarised when it is due, without its texts; scheduled messages of its key go as they are.';

create function push.check_category()
returns trigger
language plpgsql
-- Definer: the service role that writes categories may not read the policies.
security definer
set search_path = ''
as $$
begin
  -- PostgREST writes null for what a row of a bulk insert leaves out and another gives: that means the default as well.
  new.critical := coalesce(new.critical, false);
  new.quiet_hours := coalesce(new.quiet_hours, 'defer');
  if new.throttle_overflow is not null
    and (tg_op = 'INSERT' or new.throttle_overflow is distinct from old.throttle_overflow) then
    perform push.check_digest_key(new.throttle_overflow);
  end if;
  return new;
end;
$$;
comment on function push.check_category() is
  'Sets what was left open; refuses a throttle that would overflow into a digest that does not exist.';

create trigger push_categories_check
before insert or update of critical, quiet_hours, throttle_overflow on public.push_categories
for each row execute function push.check_category();

-- in -----------------------------------------------------------------------------------------------------------

create function push.join_digests(p_ids uuid[], p_digest_keys text[], p_may_lead boolean, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
-- As in push_claim: look-ups by key, one for each message, whatever the planner believes about the size of an array.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  -- One entry per message that has a policy, in the order given: which digest it belongs to, by its place below.
  v_ids uuid[];
  v_targets bigint[];
  -- One entry per digest, by user and key: in one order always, so that two who open several never wait in a circle.
  v_user_ids uuid[];
  v_keys text[];
  v_policies text[];
  v_windows interval[];
  v_new_ids uuid[];
  v_digests uuid[];
  v_waiting uuid[];
  v_default_ttl integer;
begin
  select s.default_ttl into v_default_ttl from push.settings as s;
  -- Looked up by place, not joined: the planner takes an array for a few entries, and loops over it for each of many.
  with items as (
    select i.place, i.id, n.user_id, i.digest_key, p.key as policy, p.window_length,
      dense_rank() over (order by n.user_id, i.digest_key) as target
    from unnest(p_ids, p_digest_keys) with ordinality as i (id, digest_key, place)
    cross join lateral (
      -- Limited, so that it stays a look-up: a table of which the planner knows little yet, it reads through instead.
      select k.user_id from public.push_notifications as k where k.id = i.id limit 1
    ) as n
    cross join lateral (
      select o.key, o.window_length from push.digest_policies as o
      where i.digest_key = o.key or starts_with(i.digest_key, o.key || ':')
      order by octet_length(o.key) desc
      limit 1
    ) as p
  ), targets as (
    select distinct on (t.target) t.target, t.user_id, t.digest_key, t.policy, t.window_length from items as t
  )
  select i.ids, i.targets, t.user_ids, t.digest_keys, t.policies, t.windows, t.new_ids
  into v_ids, v_targets, v_user_ids, v_keys, v_policies, v_windows, v_new_ids
  from (
    select array_agg(a.id order by a.place) as ids, array_agg(a.target order by a.place) as targets from items as a
  ) as i
  cross join (
    select array_agg(a.user_id order by a.target) as user_ids, array_agg(a.digest_key order by a.target) as digest_keys,
      array_agg(a.policy order by a.target) as policies, array_agg(a.window_length order by a.target) as windows,
      array_agg(gen_random_uuid()) as new_ids
    from targets as a
  ) as t;
  if v_ids is null then
    return array[]::uuid[];
  end if;

  loop
    -- The tick has not come by yet.
    update push.digest_windows as w set open = false
    where w.digest_id in (
      select o.digest_id from unnest(v_user_ids, v_keys) as t (user_id, digest_key)
      join push.digest_windows as o on o.user_id = t.user_id and o.digest_key = t.digest_key
      where o.open and o.closes_at <= p_now
      order by o.user_id, o.digest_key
      for no key update of o
    );
    with opened as (
      insert into push.digest_windows (digest_id, user_id, digest_key, policy, closes_at)
      select t.id, t.user_id, t.digest_key, t.policy, p_now + t.window_length
      from unnest(v_new_ids, v_user_ids, v_keys, v_policies, v_windows) as t (id, user_id, digest_key, policy, window_length)
      order by t.user_id, t.digest_key
      on conflict (user_id, digest_key) where open do nothing
      returning digest_id, user_id, digest_key, policy
    )
    insert into push.digests (id, user_id, digest_key, policy, opened_at)
    select o.digest_id, o.user_id, o.digest_key, o.policy, p_now from opened as o;
    select array_agg(h.id order by h.target) into v_digests
    from (
      select d.id, t.target
      from unnest(v_user_ids, v_keys) with ordinality as t (user_id, digest_key, target)
      cross join lateral (
        select k.digest_id from push.digest_windows as k
        where k.user_id = t.user_id and k.digest_key = t.digest_key and k.open
        -- An older snapshot still sees the one that was closed since, beside that which was opened here in its place.
        order by k.digest_id = v_new_ids[t.target] desc
        limit 1
      ) as w
      cross join lateral (
        select k.id from push.digests as k where k.id = w.digest_id and k.closed_at is null limit 1 for key share
      ) as d
    ) as h;
    -- One that was closed or sealed between the last two statements is opened anew.
    exit when cardinality(v_digests) = cardinality(v_user_ids);
  end loop;

  with items as (
    select i.id, d.id as digest_id, d.closes_at, make_interval(secs => greatest(coalesce(n.ttl, v_default_ttl), 60)) as lifetime,
      -- Ours is the id if it was opened here.
      p_may_lead and p.leads and d.id = v_new_ids[i.target]
        and row_number() over (partition by i.target order by i.place) = 1 as leads,
      n.send_at, n.expires_at
    from unnest(v_ids, v_targets) with ordinality as i (id, target, place)
    cross join lateral (
      select k.ttl, k.send_at, k.expires_at from public.push_notifications as k where k.id = i.id limit 1
    ) as n
    cross join lateral (
      select k.digest_id as id, k.closes_at, k.policy from push.digest_windows as k where k.digest_id = v_digests[i.target] limit 1
    ) as d
    left join push.digest_policies as p on p.key = d.policy
  ), waiting as (
    update public.push_notifications as n
    set status = 'digested',
        digest_id = i.digest_id,
        -- A lifetime that nobody chose is that of a push: it begins with the summary. A chosen end stands.
        expires_at = case
          when n.expires_at = n.send_at + i.lifetime then greatest(n.expires_at, i.closes_at + i.lifetime)
          else n.expires_at
        end
    from items as i
    where n.id = i.id and i.leads is not true
      -- Whose chosen end comes before the summary would never be told of.
      and (i.expires_at > i.closes_at or i.expires_at = i.send_at + i.lifetime)
    returning n.id
  )
  select array(select w.id from waiting as w) into v_waiting;

  -- Enough is enough. Those that others add at this very moment are not seen here; whoever joins next sees them.
  update push.digest_windows as w set open = false, closes_at = p_now
  where w.digest_id in (
    select o.digest_id from unnest(v_digests) as h (id)
    join push.digest_windows as o on o.digest_id = h.id
    join push.digest_policies as p on p.key = o.policy
    where o.open and p.max_items <= (
      select count(*) from (
        select from public.push_notifications as n
        where n.digest_id = o.digest_id and n.status = 'digested'
        limit p.max_items
      ) as c
    )
    for no key update of o skip locked
  );
  return v_waiting;
end;
$$;
comment on function push.join_digests(uuid[], text[], boolean, timestamptz) is
  'Puts each of these notifications into the open digest of its user and key, which is made if need be; returns those that wait now. '
  'The others lead (only if p_may_lead), end before the summary or have no policy: they go at once.';

create function push.is_wanted(p_user_id uuid, p_category text, p_now timestamptz)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  if exists (
    select from auth.users as u where u.id = p_user_id and (u.banned_until > p_now or u.deleted_at is not null)
  ) then
    return false;
  end if;
  if not exists (select from public.push_preferences as p where p.user_id = p_user_id)
    and not exists (select from public.push_device_preferences as o where o.user_id = p_user_id) then
    return true;
  end if;
  -- Without a device there is nobody to refuse it.
  return not exists (select from public.push_subscriptions as s where s.user_id = p_user_id) or exists (
    select from public.push_subscriptions as s
    left join public.push_preferences as p on p.user_id = s.user_id
    left join public.push_device_preferences as o on o.subscription_id = s.id and o.user_id = s.user_id
    where s.user_id = p_user_id
      and coalesce((push.judge(p, o, p_category, 'normal', 'infinity', p_now)).code, 'quiet_hours') = 'quiet_hours'
  );
end;
$$;
comment on function push.is_wanted(uuid, text, timestamptz) is
  'Whether a user has not muted this category or everything, on all devices there are, and is not banned. Quiet hours are no such thing.';

create function push.was_dropped(p_user_id uuid, p_category text, p_urgency text, p_at timestamptz)
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(bool_or(push.quiet_until(p, p_at) is not null), false)
  from public.push_preferences as p, push.settings as s
  where p.user_id = p_user_id
    and (push.category_of(p_category)).quiet_hours = 'drop'
    and not (p_urgency = 'high' and 'high' = any (s.quiet_hours_pass));
$$;
comment on function push.was_dropped(uuid, text, text, timestamptz) is
  'Whether a message of this category came in its user''s quiet hours, in which such messages are dropped.';

create function push.hold_back(p_ids uuid[], p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
-- See join_digests.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_ids uuid[];
  v_keys text[];
  v_user_ids uuid[];
  v_categories text[];
  v_reasons text[];
  v_summaries boolean;
  v_held uuid[] := array[]::uuid[];
begin
  -- Whoever marks a message as critical does not want it to wait. What its user muted goes on, to be suppressed as such:
  -- it takes no place of what is wanted.
  select array_agg(i.id order by i.place), array_agg(n.digest_key order by i.place) into v_ids, v_keys
  from unnest(p_ids) with ordinality as i (id, place)
  cross join lateral (
    select k.user_id, k.digest_key, k.digest_id, k.category from public.push_notifications as k where k.id = i.id limit 1
  ) as n
  where n.digest_key is not null and n.digest_id is null
    and (n.category is null or not exists (select from push.category_of(n.category) as c where c.critical))
    and push.is_wanted(n.user_id, n.category, p_now);
  if v_ids is not null then
    v_held := push.join_digests(v_ids, v_keys, true, p_now);
  end if;

  select array_agg(i.id order by i.place), array_agg(n.user_id order by i.place),
    array_agg(n.category order by i.place), bool_and(n.digest_id is not null)
  into v_ids, v_user_ids, v_categories, v_summaries
  from unnest(p_ids) with ordinality as i (id, place)
  cross join lateral (
    select k.user_id, k.category, k.digest_id from public.push_notifications as k where k.id = i.id limit 1
  ) as n
  where (v_held = '{}' or i.id not in (select h.id from unnest(v_held) as h (id)))
    and push.is_wanted(n.user_id, n.category, p_now);
  if v_ids is null then
    return v_held;
  end if;
  v_reasons := push.admit(v_user_ids, v_categories, v_summaries, p_now);
  if array_remove(v_reasons, null) = '{}' then
    return v_held;
  end if;
  return v_held || push.fold_or_suppress(v_ids, v_reasons, p_now);
end;
$$;
comment on function push.hold_back(uuid[], timestamptz) is
  'Decides which of these notifications, due now, wait in a digest or are beyond a limit; returns those. The others are to be delivered.';

-- out ----------------------------------------------------------------------------------------------------------

create function push.summarise(p_policy push.digest_policies, p_digest_key text, p_items jsonb, p_count bigint)
returns table (title text, body text, url text, template text, params jsonb)
language sql
stable
set search_path = ''
as $$
  -- Params are never cut on their way to a device: items are named as far as they leave room for the text.
  with said as (
    select i.value, sum(octet_length(i.value::text) + 2) over (order by i.place) as bytes, i.place
    from jsonb_array_elements(p_items) with ordinality as i (value, place)
  ), newest as (
    select p_items -> 0 as item,
      -- A template has a url of its own, which a given one would replace.
      coalesce((p_policy).url, case when (p_policy).template is null then p_items -> 0 ->> 'url' end) as url
  )
  select
    case when (p_policy).template is null then coalesce((p_policy).title, n.item ->> 'title') end,
    case
      when (p_policy).template is not null then null
      when (p_policy).body is not null then (p_policy).body
      when p_count = 1 then n.item ->> 'body'
      else format(coalesce((p_policy).more_text, 'and %s more'), p_count - 1)
    end,
    n.url,
    (p_policy).template,
    jsonb_build_object(
      'count', p_count,
      'digest_key', p_digest_key,
      'items', (
        select coalesce(jsonb_agg(s.value order by s.place), '[]') from said as s
        where s.bytes <= least(2000, 2800 - coalesce(octet_length(n.url), 0))
      )
    )
  from newest as n;
$$;
comment on function push.summarise(push.digest_policies, text, jsonb, bigint) is
  'What the summary of a digest says: p_items, the newest first ({title, body, url, params} each), of p_count in all.';

create function push.summarise_digests(p_ids uuid[], p_plain boolean, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  with due as (
    -- Those of a user and key that ended in quiet hours are all told of by the summary of the last.
    select d.id, first_value(d.id) over (
      partition by d.user_id, d.digest_key, case when not w.slept then d.id end order by d.opened_at desc, d.id
    ) as last_id
    from push.digests as d
    join push.digest_windows as w on w.digest_id = d.id
    where d.id = any (p_ids)
  ), items as (
    -- Of what was taken back, was read meanwhile or matters no more there is nothing to say.
    select n.title, n.body, n.url, n.params, n.category, n.urgency, n.ttl, n.expires_at, u.last_id as digest_id,
      row_number() over (partition by u.last_id order by n.send_at desc, n.created_at desc, n.id) as place
    from due as u
    join public.push_notifications as n on n.digest_id = u.id
    where n.status = 'digested' and n.read_at is null and n.expires_at > p_now
      -- Nor of what its user muted since: it would be told of, or take the summary of the others along.
      and (n.category is null or (
        push.is_wanted(n.user_id, n.category, p_now) and not push.was_dropped(n.user_id, n.category, n.urgency, n.send_at)
      ))
  ), sums as materialized (
    select i.digest_id, gen_random_uuid() as summary_id, count(*) as items,
      jsonb_agg(
        jsonb_build_object('title', i.title, 'body', i.body, 'url', i.url, 'params', i.params) order by i.place
      ) filter (where i.place <= coalesce(p.max_items, 50)) as newest,
      max(i.category) filter (where i.place = 1) as category,
      max(array_position('{very-low,low,normal,high}', i.urgency)) as urgency,
      case when bool_and(i.ttl is not null) then max(i.ttl) end as ttl,
      max(i.expires_at) as expires_at
    from items as i
    join push.digests as d on d.id = i.digest_id
    left join push.digest_policies as p on p.key = d.policy
    group by i.digest_id
  ), summaries as (
    -- One statement: ten thousand digests that end together ring once.
    insert into public.push_notifications (
      id, user_id, title, body, url, template, params, category, urgency, ttl, tag, send_at, expires_at, digest_id, inbox
    )
    select s.summary_id, d.user_id, t.title, t.body, t.url, t.template, t.params, s.category,
      ('{very-low,low,normal,high}'::text[])[s.urgency], s.ttl, 'digest:' || d.digest_key, p_now,
      -- It matters no longer than the last of its items.
      least(
        s.expires_at, p_now + make_interval(secs => greatest(coalesce(s.ttl, (select o.default_ttl from push.settings as o)), 60))
      ),
      d.id, false
    from sums as s
    join push.digests as d on d.id = s.digest_id
    left join push.digest_policies as p on p.key = d.policy
    cross join lateral push.summarise(
      case when p_plain then jsonb_populate_record(p, '{"template": null}') else p end, d.digest_key, s.newest, s.items
    ) as t
  ), done as (
    delete from push.digest_windows as w where w.digest_id = any (p_ids)
  )
  update push.digests as d
  set closed_at = p_now,
      items = case when u.id = u.last_id then coalesce(s.items, 0) else 0 end,
      summary_id = s.summary_id
  from due as u
  left join sums as s on s.digest_id = u.last_id
  where d.id = u.id;
end;
$$;
comment on function push.summarise_digests(uuid[], boolean, timestamptz) is
  'Makes the summaries of these digests, whose rows the caller holds for update; with p_plain without their templates.';

create function push.let_digests_sleep(p_limit integer, p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  -- One summary in the morning, not one for each window of the night that would replace the one before. Devices with
  -- quiet hours of their own are not asked: theirs defer the summary.
  with due as (
    select w.digest_id, q.until
    from push.digest_windows as w
    join public.push_preferences as p on p.user_id = w.user_id
    cross join lateral (select push.quiet_until(p, p_now) as until offset 0) as q
    where w.closes_at <= p_now and q.until is not null and not exists (
      select from public.push_notifications as n, push.settings as s
      where n.digest_id = w.digest_id and n.status = 'digested' and n.urgency = 'high' and 'high' = any (s.quiet_hours_pass)
    )
    order by w.closes_at, w.digest_id
    limit p_limit
    for update of w skip locked
  )
  update push.digest_windows as w set closes_at = due.until, slept = true from due where w.digest_id = due.digest_id;
$$;
comment on function push.let_digests_sleep(integer, timestamptz) is
  'Moves the end of due digests to the end of their users'' quiet hours, unless something in them may ring all the same.';

create function push.shorten_digests(p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  -- Opened after now, by a clock that was set back since: from now on they last as long as any.
  update push.digest_windows as w set closes_at = p_now + p.window_length
  from push.digests as d, push.digest_policies as p
  where d.id = w.digest_id and p.key = w.policy and not w.slept
    and d.opened_at > p_now + interval '1 minute' and w.closes_at > p_now + p.window_length;
$$;
comment on function push.shorten_digests(timestamptz) is 'Has no digest stay open for longer than its window because the clock was set back.';

create function push.close_digests(p_limit integer, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- An application's open transaction may hold a limit that is needed here; the tick has other work.
set lock_timeout = '200ms'
as $$
declare
  v_ids uuid[];
  v_digest record;
  v_locked integer := 0;
begin
  perform push.let_digests_sleep(p_limit, p_now);
  v_ids := array(
    select d.id from push.digest_windows as w
    join push.digests as d on d.id = w.digest_id
    where w.closes_at <= p_now and d.closed_at is null
    order by w.closes_at, w.digest_id
    limit p_limit
    -- Somebody who joined has not committed yet, or somebody else closes it.
    for update skip locked
  );
  if v_ids = '{}' then
    return 0;
  end if;
  begin
    perform push.summarise_digests(v_ids, false, p_now);
    update push.alarms as a set resolved_at = p_now
    where a.code = 'digest_failed' and a.resolved_at is null
      and a.subject in (select d.policy from push.digests as d where d.id = any (v_ids));
    return cardinality(v_ids);
  exception when others then
    null;
  end;

  -- One of them cannot be summarised; the others shall not wait for it.
  for v_digest in
    select d.id, d.policy, p.template
    from unnest(v_ids) as i (id)
    join push.digests as d on d.id = i.id
    left join push.digest_policies as p on p.key = d.policy
  loop
    begin
      perform push.summarise_digests(array[v_digest.id], false, p_now);
      continue;
    exception
      when lock_not_available then
        -- To the end of the line, and soon again.
        update push.digest_windows as w set open = false, closes_at = p_now + interval '10 seconds'
        where w.digest_id = v_digest.id;
        v_locked := v_locked + 1;
        exit when v_locked = 5;
        continue;
      when others then
        perform push.raise_alarm('digest_failed', v_digest.policy, 'The summary of a digest could not be made: ' || sqlerrm, p_now);
    end;
    -- Rather in plain words than not at all.
    begin
      perform push.summarise_digests(array[v_digest.id], true, p_now);
    exception when others then
      update push.digest_windows as w set open = false, closes_at = p_now + interval '1 minute'
      where w.digest_id = v_digest.id;
    end;
  end loop;
  return cardinality(v_ids);
end;
$$;
comment on function push.close_digests(integer, timestamptz) is
  'Makes the summaries of at most p_limit digests that are due; returns how many it looked at. One that cannot be made raises an alarm '
  'and is tried again.';

revoke all on all functions in schema push from public;
