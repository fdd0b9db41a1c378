-- A message, what one can say to a user or a topic. push.notify(), rules, reminders, digests and alerts all say it in this
-- shape, and what is wrong with it is refused here.

-- For parameters and variables, never for a column: a type that a table stores cannot be altered.
create type push.message as (
  title text,
  body text,
  url text,
  params jsonb,
  category text,
  urgency text,
  ttl integer,
  collapse_key text,
  tag text,
  template text,
  presentation jsonb,
  digest_key text,
  send_at timestamptz,
  expires_at timestamptz,
  idempotency_key text
);
comment on type push.message is
  'What a notification says, and when, as in the columns of push_notifications. Null: not said, and so left to its template or to a default.';

create function push.is_digest_key(p_key text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select p_key ~ '^[^[:space:]:]+(:[^[:space:]:]+)*$' and octet_length(p_key) <= 90;
$$;
comment on function push.is_digest_key(text) is 'Whether messages may be gathered under this key.';

create function push.check_message(p_message push.message)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_fault text;
begin
  if p_message.urgency not in ('very-low', 'low', 'normal', 'high') then
    perform push.refuse(400, 'urgency_unknown', 'Unknown urgency.', 'Use very-low, low, normal or high (RFC 8030).');
  end if;
  if p_message.ttl not between 0 and 2419200 then
    perform push.refuse(400, 'ttl_out_of_range', 'ttl must be from 0 to 2419200 seconds (28 days).', 'Use a ttl in that range.');
  end if;
  if p_message.collapse_key !~ '^[A-Za-z0-9_-]{1,32}$' then
    perform push.refuse(400, 'collapse_key_malformed', 'A collapse key must have 1 to 32 characters from A-Z a-z 0-9 _ -.', 'Shorten it, or use a hash of it (it becomes the Topic header of RFC 8030).');
  end if;
  -- Anything but a path of the app or https (javascript:, data:, //other.host) has no business behind a click.
  if not push.is_link(p_message.url) then
    perform push.refuse(400, 'url_malformed', 'The url must be a path that starts with /, or an https URL, of at most 2048 bytes.', 'Correct the url.');
  end if;
  if octet_length(p_message.tag) not between 1 and 100 then
    perform push.refuse(400, 'tag_malformed', 'A tag must have 1 to 100 bytes.', 'Shorten it, use a hash of it, or leave it out.');
  end if;
  perform push.refuse_category(p_message.category);
  if octet_length(p_message.idempotency_key) > 200 then
    perform push.refuse(400, 'idempotency_key_too_long', 'An idempotency key can have at most 200 bytes.', 'Shorten it, or use a hash of it.');
  end if;
  if jsonb_typeof(p_message.params) <> 'object' then
    perform push.refuse(400, 'params_malformed', 'params must be a JSON object.', 'Give an object, or {} if there are no params.');
  end if;
  -- Text is shortened on its way, so these two are limits of the inbox; data is never cut.
  if octet_length(p_message.title) > 1000 or octet_length(p_message.body) > 8000 then
    perform push.refuse(413, 'text_too_large',
      format('The title has %s bytes and the body %s. The limits are 1000 and 8000.',
        octet_length(p_message.title), coalesce(octet_length(p_message.body), 0)),
      'Shorten the text. A device shows only a few hundred bytes.');
  end if;
  v_fault := push.presentation_fault(p_message.presentation);
  if v_fault is not null then
    perform push.refuse(400, 'presentation_malformed', format('The presentation cannot be shown: %s.', v_fault),
      'Use icon, badge, image, actions [{action, title, icon, url}], require_interaction, silent, vibrate, renotify, app_badge, sound, channel, '
      'thread and interruption_level.');
  end if;
  if p_message.expires_at <= p_message.send_at then
    perform push.refuse(400, 'expires_before_sent', 'expires_at must be after send_at.', 'Correct expires_at or leave it out.');
  end if;
end;
$$;
comment on function push.check_message(push.message) is
  'Raises what is wrong with what a message says, as a whole or in part; returns when nothing is.';

create function push.message_from(p_message jsonb)
returns push.message
language plpgsql
stable
set search_path = ''
as $$
declare
  v_keys constant text := (
    select string_agg(a.attname, ', ' order by a.attnum) from pg_catalog.pg_attribute as a where a.attrelid = 'push.message'::regclass
  );
  v_message push.message;
  v_key text;
  v_value jsonb;
  v_fault text;
begin
  if jsonb_typeof(p_message) is distinct from 'object' then
    perform push.refuse(400, 'message_malformed', 'A message must be a JSON object.', format('Its keys are %s.', v_keys));
  end if;
  -- The first one that is wrong. JSON's null is not said.
  select format(
    case when a.attname is null then 'A message has no key %s.' else '%s of a message must be of type ' || t.json || '.' end, left(m.key, 100)
  )
  into v_fault
  from jsonb_each(p_message) as m (key, value)
  left join pg_catalog.pg_attribute as a on a.attrelid = 'push.message'::regclass and a.attname = m.key
  cross join lateral (
    select case a.atttypid when 'jsonb'::regtype then 'object' when 'integer'::regtype then 'number' else 'string' end as json
  ) as t
  where a.attname is null or jsonb_typeof(m.value) not in ('null', t.json)
  order by m.key
  limit 1;
  if v_fault is not null then
    perform push.refuse(400, 'message_malformed', v_fault, format('Its keys are %s.', v_keys));
  end if;
  begin
    for v_key, v_value in select m.key, m.value from jsonb_each(p_message) as m loop
      v_message := jsonb_populate_record(v_message, jsonb_build_object(v_key, v_value));
    end loop;
  exception when data_exception then
    perform push.refuse(400, 'message_malformed', format('%s of a message cannot be read: %s', v_key, left(sqlerrm, 200)),
      'ttl is a whole number of seconds; send_at and expires_at are times as in ISO 8601.');
  end;
  return v_message;
end;
$$;
comment on function push.message_from(jsonb) is
  'A message that came as JSON, its keys those of push.message. Refuses what is no such key and values of another type.';
