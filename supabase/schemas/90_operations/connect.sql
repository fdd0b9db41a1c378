-- push.connect(): which project this is, its Vault entries, and its VAPID key.

create function push.connect(p_project_url text, p_bell_secret text, p_vapid_public_key text default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_vapid_key constant text := push.as_base64url(p_vapid_public_key);
  v_entry record;
begin
  if p_project_url is null or p_project_url !~ '^https?://[^/?#\s]+$' or not push.has_usable_host(p_project_url) then
    perform push.refuse(400, 'project_url_malformed', 'The project URL must be an origin without a path.',
      'Use a URL such as https://abcdefghijklmnopqrst.supabase.co');
  end if;
  if p_bell_secret is null or length(p_bell_secret) < 32 then
    perform push.refuse(400, 'bell_secret_too_short', 'The bell''s secret must have at least 32 characters.',
      'Use the PUSH_BELL_SECRET that push-dispatch has.');
  end if;
  -- As push-dispatch reads it: it travels in a header, where anything else would never match.
  if p_bell_secret !~ '^[!-~]+$' then
    perform push.refuse(400, 'bell_secret_malformed', 'The bell''s secret must be printable ASCII without spaces.',
      'Use the PUSH_BELL_SECRET that push-dispatch has.');
  end if;
  if v_vapid_key is not null and push.is_p256_point(push.decode_base64url(v_vapid_key)) is not true then
    perform push.refuse(400, 'vapid_key_invalid',
      'The VAPID public key must be an uncompressed P-256 point: 65 bytes, base64url without padding.',
      'Use the VAPID_PUBLIC_KEY that push-dispatch has.');
  end if;
  perform push.require_extensions();
  -- Made anew rather than changed, which would read the old one first: in a restored project nothing can.
  for v_entry in
    select e.name, e.secret, e.description
    from (values
      ('push_project_url', p_project_url, 'Supapush: where the Edge Functions of this project answer'),
      ('push_bell_secret', p_bell_secret, 'Supapush: rings push-dispatch and push-quotes, and can do nothing else')
    ) as e (name, secret, description)
  loop
    delete from vault.secrets as s where s.name = v_entry.name;
    perform vault.create_secret(v_entry.secret, v_entry.name, v_entry.description);
  end loop;
  if v_vapid_key is not null then
    -- Devices from before the first key, as those that were taken over from another table, were made with this one. Named with
    -- each, or they would be signed for with the next one after a rotation.
    if (select s.vapid_public_key is null from push.settings as s) then
      update public.push_subscriptions as s set vapid_key = v_vapid_key
      where s.channel = 'webpush' and s.vapid_key is null and s.p256dh is distinct from v_vapid_key;
    end if;
    update push.settings as s set vapid_public_key = v_vapid_key where s.id;
  end if;
  perform push.schedule_jobs();
  perform push.resolve_alarm(c.code, '') from unnest('{bell_not_connected,bell_failed,vault_unreadable}'::text[]) as c (code);
  perform push.note_project(p_project_url);
end;
$$;
comment on function push.connect(text, text, text) is
  'Writes the two Vault entries by which the database rings push-dispatch, the project''s URL and the bell''s secret; notes the VAPID key that new subscriptions are made with, and which project this is. Makes extensions and pg_cron jobs that a restore left out. A database that was another project''s is held until push.adopt(). For the database owner.

p_project_url: https://<ref>.supabase.co: where the functions are called.
p_bell_secret: PUSH_BELL_SECRET of the functions.
p_vapid_public_key: VAPID_PUBLIC_KEY of the functions; null leaves what was noted. The first is noted with the devices that are there, too.';
