-- push_claim() hands out deliveries under a lease, push_heartbeat() keeps it.

create function public.push_claim(
  p_dispatcher uuid,
  p_limit integer default 200,
  p_now timestamptz default clock_timestamp(),
  p_busy_hosts text[] default '{}',
  p_busy_users uuid[] default '{}',
  p_protocol integer default 1,
  p_project text default null,
  p_rooms jsonb default '{}',
  p_paces jsonb default '{}'
)
returns json
language plpgsql
-- Definer: the service role works the queue through these functions alone and may not touch its tables.
security definer
set search_path = ''
-- The planner knows the queue as it was when the table was last analysed: empty, most likely. Left to itself it then
-- reads and sorts a whole backlog for every claim. This leaves it the index in whose order the claim reads; jit would
-- take the price of the sorts that remain at its word.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  -- What one claim hands out at most. The answer is one value, because the Data API cuts rows off at the project's Max rows,
  -- and a delivery that was claimed but cut off would wait for the end of its lease.
  c_most constant integer := 1000;
  -- How many deliveries of one push service are looked through for those that may go; more where what may not go hides others.
  c_look constant integer := 200;
  c_deep_look constant integer := 6000;
  c_side_look constant integer := 40;
  c_side_lanes constant smallint[] := '{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}'::smallint[];
  -- One of eight claims begins with a side lane, each of them in its turn.
  v_turn constant bigint := nextval('push.claim_turns');
  v_step text;
  v_settings push.settings;
  v_limit constant integer := least(greatest(p_limit, 0), c_most);
  v_found json[] := array[]::json[];
  v_handed json[];
  v_busy_hosts text[];
  v_rooms jsonb := p_rooms;
  v_sifted text[];
  v_users uuid[] := array[]::uuid[];
  v_served uuid[] := array[]::uuid[];
  v_probed jsonb := '{}'::jsonb;
  v_round push.claim_round;
begin
  if p_protocol is distinct from 1 then
    perform push.refuse(400, 'protocol_unknown',
      format('This database does not know protocol %s of push_claim.', p_protocol),
      'The function is newer than the database. Run: supabase db push');
  end if;
  select s.* into v_settings from push.settings as s;
  -- A non-key update: it does not collide with the key-share locks by which push.wake() holds a dispatcher in place.
  insert into push.dispatchers as w (id, started_at, lease_until)
  values (p_dispatcher, p_now, p_now + v_settings.dispatcher_lease)
  on conflict (id) do update set lease_until = excluded.lease_until, is_awaited = false
  -- Not each time: under an old snapshot its old versions would stay, and each claim would walk all of them.
  where w.is_awaited or w.lease_until not between excluded.lease_until - interval '1 second' and excluded.lease_until;

  -- A claim proves that the bell works again; that of a worker does not, which never heard it.
  update push.alarms as a set resolved_at = p_now
  where (a.code, a.subject) in (
    select o.code, o.subject from push.alarms as o
    where o.code in ('bell_not_connected', 'bell_failed', 'vault_unreadable') and o.resolved_at is null
    for update skip locked
  ) and not exists (select from push.dispatchers as d where d.id = p_dispatcher and d.worker_id is not null);

  perform push.note_function(p_now);
  -- One claim at a time: two that count the same `sending` rows would both fill the room that is left at a host.
  perform pg_advisory_xact_lock(hashtextextended('supapush.claim', 0));
  perform push.recognise_project(p_project, p_now);
  perform push.advance_pauses(p_now => p_now);
  perform push.apply_resets();
  v_busy_hosts := p_busy_hosts || push.held_hosts(p_now);
  v_sifted := push.sifted_categories();
  foreach v_step in array case when v_turn % 8 = 0 then array['turn', 'main', 'deep', 'sides'] else array['main', 'deep', 'sides'] end loop
    continue when v_step = 'deep' and not v_round.hides
      or v_step in ('turn', 'sides') and not exists (select from push.queue_lanes(p_now, c_side_lanes));
    v_round := push.pick_due(
      v_limit - cardinality(v_found),
      case v_step when 'deep' then c_deep_look when 'sides' then c_side_look else least(v_limit, c_look) end,
      case v_step when 'turn' then array[(1 + v_turn / 8 % 15)::smallint] when 'sides' then c_side_lanes else '{0}' end,
      -- A paused push service is probed with what is first, not with what one user has too much of.
      v_busy_hosts || case when v_step = 'turn' then array(select h.origin from push.hosts as h where h.paused_at is not null) end,
      v_rooms, p_busy_users || case when v_step = 'deep' then v_served else v_users end, v_sifted, v_step <> 'main', v_settings.delivery_lease, p_now
    );
    v_handed := push.hand_out(p_dispatcher, v_round.ids, v_sifted, v_settings, p_now);
    if cardinality(v_handed) > 0 then
      v_found := v_found || v_handed;
      v_users := v_users || v_round.users;
      -- Of one claim, a user's share is one, whatever the lane.
      v_served := v_served || case when v_step = 'main' then v_round.served_users else v_round.users end;
    end if;
    v_rooms := push.rooms_left(v_rooms, v_round.taken);
    v_probed := v_probed || coalesce(v_round.probed_users, '{}'::jsonb);
    exit when cardinality(v_found) >= v_limit;
    v_busy_hosts := v_busy_hosts || array(select k.origin from jsonb_object_keys(v_probed) as k (origin));
  end loop;
  if v_probed <> '{}' then
    update push.hosts as h
    set probe_at = p_now + v_settings.probe_every,
        -- Enough to tell apart those who come again and again.
        probed_users = (array(select u.id::uuid from jsonb_array_elements_text(v_probed -> h.origin) as u (id)) || h.probed_users)[1:100]
    where v_probed ? h.origin and h.paused_at is not null;
  end if;
  if p_paces <> '{}' then
    perform push.note_paces(p_paces, p_now);
  end if;
  -- Only a full hand, of all or of one push service, lets one suspect that there is more than this dispatcher will manage.
  if cardinality(v_found) >= v_limit or jsonb_path_exists(v_rooms, '$.* ? (@ <= 0)') then
    perform push.call_for_backlog(p_now);
  end if;
  return json_build_object('protocol', 1, 'deliveries', array_to_json(v_found),
    'paces', (select coalesce(json_object_agg(p.origin, p.pace), '{}') from push.paces(p_now) as p));
end;
$$;
comment on function public.push_claim(uuid, integer, timestamptz, text[], uuid[], integer, text, jsonb, jsonb) is
  'Hands up to p_limit (at most 1000) due deliveries, none of p_busy_hosts or p_busy_users, to a dispatcher of p_project (its URL) under a '
  'lease, with all it needs to send them, and of each push service of p_rooms ({origin: number}) at most so many. p_paces: what push services that '
  'throttle accept of it per second, remembered for others: {protocol, deliveries: [...], paces: {origin: number}}. Service role only.';

create function public.push_heartbeat(
  p_dispatcher uuid,
  p_deliveries bigint[] default '{}',
  p_now timestamptz default clock_timestamp()
)
returns void
language sql
-- Definer: see push_claim.
security definer
set search_path = ''
-- By key, however empty the planner believes the queue to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
  -- One that has left drains, and is not live.
  update push.dispatchers set lease_until = p_now + s.dispatcher_lease
  from push.settings as s
  where dispatchers.id = p_dispatcher and dispatchers.lease_until > '-infinity';
  update push.queue as d set lease_until = p_now + s.delivery_lease
  from push.settings as s
  where d.id = any (p_deliveries) and d.lease_until is not null and d.dispatcher_id = p_dispatcher;
$$;
comment on function public.push_heartbeat(uuid, bigint[], timestamptz) is
  'Says that a dispatcher is alive and still works on these deliveries. Service role only.';

revoke all on function public.push_claim(uuid, integer, timestamptz, text[], uuid[], integer, text, jsonb, jsonb) from public, anon, authenticated;

revoke all on function public.push_heartbeat(uuid, bigint[], timestamptz) from public, anon, authenticated;
grant execute on function public.push_claim(uuid, integer, timestamptz, text[], uuid[], integer, text, jsonb, jsonb) to service_role;

grant execute on function public.push_heartbeat(uuid, bigint[], timestamptz) to service_role;
