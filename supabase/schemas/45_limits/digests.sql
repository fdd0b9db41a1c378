-- Digests are declared by push.define_digest().

create index push_notifications_digest_idx on public.push_notifications (digest_id) where status = 'digested';

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
  if push.is_digest_key(p_key) is not true then
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
  perform push.check_message(jsonb_populate_record(null::push.message, jsonb_build_object('url', p_url)));
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
  'one push. Again with the same key: replaces it; what is open closes at the moment it had. For the database owner.

p_window: How long messages are collected, from the first one on.
p_leading: Whether the first message goes at once, and only what follows within the window is summarised.';

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
  'Takes a digest back. What is open is summarised when it is due, without its texts; scheduled messages of its key go as they are. For the database owner.';

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
