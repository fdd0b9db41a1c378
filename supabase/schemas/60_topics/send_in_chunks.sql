-- A message to a long list of users: noted with its recipients, and expanded in chunks.

create function push.send_in_chunks(p_user_ids uuid[], p_message push.message)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_expansion push.expansions;
  v_said public.push_notifications;
  v_count bigint;
begin
  -- What is wrong with it is refused here, and not when the caller has gone.
  v_said := push.fill_from_template(push.notification_of(p_message), '');
  v_said.user_id := gen_random_uuid();
  v_said.urgency := coalesce(nullif(v_said.urgency, ''), 'normal');
  perform push.refuse_notification(v_said);
  if p_message.digest_key is not null then
    perform push.check_digest_key(p_message.digest_key);
  end if;
  -- By the clock of this call, not of each chunk.
  p_message.send_at := coalesce(p_message.send_at, now());

  insert into push.expansions as e (message) values (to_jsonb(p_message))
  returning e.* into v_expansion;
  insert into push.expansion_recipients (expansion_id, user_id)
  select v_expansion.id, u.id from auth.users as u where u.id = any (p_user_ids);
  get diagnostics v_count = row_count;
  if not push.is_expansion_held(v_expansion) then
    perform push.wake();
  end if;
  return v_count;
end;
$$;
comment on function push.send_in_chunks(uuid[], push.message) is
  'Has a notification of a message made for each of these users after the commit, a chunk a transaction, and skips ids that are no user''s; '
  'returns how many users those are.';
