/** The columns that apps and tutorials keep these in; the first that a row has counts. */
export const COLUMNS = {
  user: ['user_id', 'userId', 'userid', 'profile_id', 'owner_id', 'account_id', 'uid', 'owner'],
  /** `PushSubscription.toJSON()`, as JSON or as its text. */
  whole: [
    'subscription',
    'push_subscription',
    'subscription_data',
    'subscription_json',
    'subscription_object',
    'web_push_subscription',
  ],
  /** Which may have a subscription, and anything else: only where a person says so. */
  anything: ['data', 'value'],
  endpoint: ['endpoint', 'subscription_endpoint', 'push_endpoint'],
  /** Both keys, as JSON or as its text. */
  keys: ['keys', 'subscription_keys'],
  p256dh: ['p256dh', 'p256dh_key', 'key_p256dh', 'keys_p256dh', 'p256dhKey', 'p256_dh'],
  /** The public key of the VAPID pair that a device was made with. */
  vapidKey: [
    'vapid_key',
    'vapidKey',
    'vapid_public_key',
    'vapidPublicKey',
    'application_server_key',
    'applicationServerKey',
  ],
  auth: ['auth', 'auth_key', 'key_auth', 'keys_auth', 'authKey', 'auth_secret', 'auth_token'],
};
/** When a row was made, and when it was changed or used; the newest of several counts. */
const MADE = ['created_at', 'createdAt', 'inserted_at', 'insertedAt'];
const CHANGED = ['updated_at', 'updatedAt', 'last_used_at', 'lastUsedAt', 'last_seen_at', 'lastSeenAt'];

const list = (names: readonly string[]) => `'{${names.join(',')}}'::text[]`;
const first = (names: readonly string[]) =>
  `(select v_row ->> c.name from unnest(${list(names)}) as c (name) where v_row ->> c.name <> '' limit 1)`;

/**
 * A `do` block that registers the push subscriptions of a table as devices, and raises a warning with what is wrong with the rows that it
 * leaves: those are only ever rows with a mistake, and what is wrong with the database ends it.
 *
 * @param source the table, with its schema, quoted
 * @param vapidKey the public key that they were made with, where the rows do not say another; in unpadded base64url
 */
export function copySql(source: string, vapidKey?: string): string {
  const named = source.replaceAll("'", "''");
  return String.raw`-- Written by supapush init --take-over: the rows of your table that are valid. Those that are not, stay in it.
do $supapush_take_over$
declare
  v_vapid_key constant text := ${vapidKey === undefined ? 'null' : `'${vapidKey}'`};
  v_row jsonb;
  v_value jsonb;
  v_whole jsonb;
  v_keys jsonb;
  v_name text;
  v_time timestamptz;
  v_made timestamptz;
  v_last timestamptz;
  v_device record;
  v_reason text;
  v_rows integer := 0;
  v_refused integer := 0;
  v_reasons jsonb := '{}';
begin
  create temporary table supapush_rows (
    place integer, user_id text, endpoint text, p256dh text, auth text, vapid_key text, user_agent text, made timestamptz, last timestamptz
  ) on commit drop;
  for v_row in select to_jsonb(o) from ${source} as o loop
    v_rows := v_rows + 1;
    -- JSON that was stored as text, and keys that were stored as bytes.
    for v_name, v_value in select e.key, e.value from jsonb_each(v_row) as e where jsonb_typeof(e.value) = 'string' loop
      if v_value #>> '{}' ~ '^\s*\{.*\}\s*$' then
        begin
          v_row := jsonb_set(v_row, array[v_name], (v_value #>> '{}')::jsonb);
        exception when data_exception or program_limit_exceeded then
          null;
        end;
      elsif v_value #>> '{}' ~ '^\\x([0-9a-f]{2})+$' then
        v_row := jsonb_set(v_row, array[v_name], to_jsonb(encode(decode(substr(v_value #>> '{}', 3), 'hex'), 'base64')));
      end if;
    end loop;
    v_made := null;
    v_last := null;
    for v_name in select c.name from unnest(${list([...MADE, ...CHANGED])}) as c (name) where v_row ->> c.name <> '' loop
      begin
        -- A number is seconds since 1970, or milliseconds.
        v_time := case when jsonb_typeof(v_row -> v_name) = 'number'
          then to_timestamp((v_row ->> v_name)::float8 / case when (v_row ->> v_name)::float8 > 1e11 then 1000 else 1 end)
          else (v_row ->> v_name)::timestamptz
        end;
        v_last := greatest(v_last, v_time);
        if v_name = any(${list(MADE)}) then
          v_made := greatest(v_made, v_time);
        end if;
      exception when data_exception then
        null;
      end;
    end loop;
    v_whole := null;
    select coalesce(nullif(v_row -> c.name -> 'subscription', 'null'), v_row -> c.name) into v_whole
    from unnest(${list([...COLUMNS.whole, ...COLUMNS.anything])}) with ordinality as c (name, place)
    where jsonb_typeof(v_row -> c.name) = 'object'
    order by c.place
    limit 1;
    v_keys := null;
    select v_row -> c.name into v_keys
    from unnest(${list(COLUMNS.keys)}) as c (name) where jsonb_typeof(v_row -> c.name) = 'object' limit 1;
    v_keys := coalesce(v_whole -> 'keys', v_keys, '{}');
    insert into pg_temp.supapush_rows
    values (
      v_rows,
      lower(${first(COLUMNS.user)}),
      coalesce(v_whole ->> 'endpoint', ${first(COLUMNS.endpoint)}),
      push.as_base64url(coalesce(v_keys ->> 'p256dh', ${first(COLUMNS.p256dh)})),
      push.as_base64url(coalesce(v_keys ->> 'auth', ${first(COLUMNS.auth)})),
      coalesce((
        select k.key from push.as_base64url(${first(COLUMNS.vapidKey)}) as k (key) where push.is_p256_point(push.decode_base64url(k.key))
      ), v_vapid_key),
      left(v_row ->> 'user_agent', 256),
      coalesce(v_made, v_last),
      v_last
    );
  end loop;
  create index on pg_temp.supapush_rows using hash (endpoint);
  analyze pg_temp.supapush_rows;
  -- A device that gets the wrong key is never reached, so none is guessed.
  if exists (select from pg_temp.supapush_rows as r where r.vapid_key is null) and exists (
    select from public.push_subscriptions as s cross join push.settings as c where s.vapid_key <> c.vapid_public_key
  ) then
    raise exception 'Devices of this project have several VAPID keys, and it is not said which of them the rows of % were made with. '
      'Remove this migration, and write it anew: npx supapush init --take-over … --vapid-key <public key>. '
      'npx supapush vapid lists the keys.', '${named}';
  end if;
  -- Devices that register meanwhile wait, rather than be in the way of one of these.
  if current_setting('lock_timeout') = '0' then
    -- While this waits, every device that registers waits behind it.
    perform set_config('lock_timeout', '5s', true);
  end if;
  perform pg_advisory_xact_lock(hashtextextended('supapush.devices', 0));
  -- The newest first: where a user has too many, the oldest are left. Of several rows of one device the newest counts.
  for v_device in
    select n.*, n.rows > 1 and exists (
      -- A device that two users have used is that of the later one, where every time says so.
      select from pg_temp.supapush_rows as o
      where o.endpoint = n.endpoint and o.user_id is distinct from n.user_id
        and ((o.p256dh, o.auth) is distinct from (n.p256dh, n.auth) or (n.made > o.made and n.last > o.last) is not true)
    ) as doubtful
    from (
      select r.*, count(*) over d as rows, row_number() over (d order by r.last desc nulls last, r.place desc) as rank
      from pg_temp.supapush_rows as r
      window d as (partition by coalesce(r.endpoint, r.place::text))
    ) as n
    where n.rank = 1
    order by n.last desc nulls last, n.place desc
  loop
    v_reason := null;
    if v_device.doubtful then
      v_reason := 'Several users have this device, and the rows do not say for certain whose it is now.';
    elsif exists (select from public.push_subscriptions as s where s.endpoint = v_device.endpoint)
      or exists (select from push.removed_devices as r where r.address_digest = push.address_digest(v_device.endpoint)) then
      -- What a device has said itself is newer than any row of an old table.
      v_reason := 'This device was registered or removed here since, and stays so.';
    else
      begin
        insert into public.push_subscriptions (user_id, endpoint, p256dh, auth, vapid_key, user_agent)
        values (
          v_device.user_id::uuid, v_device.endpoint, v_device.p256dh, v_device.auth, v_device.vapid_key, v_device.user_agent
        );
      exception when others then
        -- Refused by Supapush (PT), or a value that cannot be. All else, such as too little memory, is no fault of the row.
        if left(sqlstate, 2) not in ('PT', '22', '23', '54') then
          raise;
        end if;
        v_reason := split_part(sqlerrm, ': "', 1);
      end;
    end if;
    if v_reason is not null then
      v_refused := v_refused + v_device.rows;
      v_reasons := jsonb_set(
        v_reasons, array[v_reason], to_jsonb(coalesce((v_reasons ->> v_reason)::integer, 0) + v_device.rows));
    end if;
  end loop;
  drop table pg_temp.supapush_rows;
  raise notice 'Supapush took over % of % rows of %, which are % devices.', v_rows - v_refused, v_rows, '${named}',
    (select count(*) from public.push_subscriptions);
  if v_refused > 0 then
    raise warning '% rows were not taken over, and stay in %: %', v_refused, '${named}', (
      select string_agg(format('%s (%s)', r.key, r.value), '; ') from jsonb_each_text(v_reasons) as r
    );
  end if;
end;
$supapush_take_over$;
`;
}
