-- The bell. pg_net only rings it; the work to do is in push.queue.
--
-- A transaction that needs a dispatcher looks for a live one first and holds its row with a key-share lock until commit.
-- A dispatcher that wants to leave deletes its row, which does not wait but skips it while such a lock exists: so it
-- cannot leave before every transaction that counts on it has committed, and its last look then sees their rows. The tick
-- finds only what is left by dispatchers that die without leaving.
--
-- Where a worker is idle, the bell calls it instead of push-dispatch. Its row is held in the same way until commit, so that it
-- cannot end before it sees that it was called.

create function push.vapid_key_usage()
returns table (vapid_key text, subscriptions bigint)
language sql
stable
set search_path = ''
as $$
  select s.vapid_key, count(*) from public.push_subscriptions as s
  where s.channel = 'webpush'
  group by s.vapid_key
  order by count(*) desc;
$$;
comment on function push.vapid_key_usage() is
  'How many subscriptions need each VAPID key: one that none needs can be retired. For the database owner.';

create function push.read_bell(out url text, out secret text, out fault text, out message text)
language plpgsql
stable
set search_path = ''
as $$
begin
  select max(s.decrypted_secret) filter (where s.name = 'push_project_url'),
    max(s.decrypted_secret) filter (where s.name = 'push_bell_secret')
  into url, secret
  from vault.decrypted_secrets as s
  where s.name in ('push_project_url', 'push_bell_secret');
  if url is null or secret is null then
    fault := 'bell_not_connected';
    message := 'Nothing is delivered and no quotes are fetched: the Vault has no entries that say how to call push-dispatch and '
      || 'push-quotes. Run: npx supapush connect';
  end if;
exception when others then
  fault := 'vault_unreadable';
  message := format('Nothing is delivered and no quotes are fetched: the entries of the Vault that say how to call push-dispatch and '
    || 'push-quotes cannot be read (%s). A restored project cannot decrypt those of the original. Run: npx supapush connect', sqlerrm);
end;
$$;
comment on function push.read_bell() is
  'What push.connect() wrote into the Vault; or, where that is missing or cannot be read, the code of the alarm, and what it says.';

create function push.call_function(p_function text, p_body jsonb, p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_bell record;
begin
  select b.* into v_bell from push.read_bell() as b;
  if v_bell.fault is not null then
    perform push.raise_alarm(v_bell.fault, '', v_bell.message, p_now);
    return false;
  end if;
  -- A short timeout: pg_net waits for every answer of its batch, so a slow one would hold up all other requests.
  perform net.http_post(
    url => v_bell.url || '/functions/v1/' || p_function,
    body => p_body,
    headers => jsonb_build_object('Content-Type', 'application/json', 'x-push-bell', v_bell.secret),
    timeout_milliseconds => 5000
  );
  return true;
exception when others then
  -- A call may fail; the work on whose way it is made may not. The next tick calls again.
  perform push.raise_alarm('bell_failed', '', format('Calling %s failed: %s. Run: npx supapush connect', p_function, sqlerrm), p_now);
  return false;
end;
$$;
comment on function push.call_function(text, jsonb, timestamptz) is
  'Calls an Edge Function of this project with the bell''s secret, after commit. False when that is not possible: then an alarm says why and what to do.';

create function push.ring(p_now timestamptz default clock_timestamp())
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_dispatcher uuid := gen_random_uuid();
  v_worker push.workers;
begin
  -- A paused project rings no bell, whatever the call is for.
  if push.is_held(p_now) then
    return null;
  end if;
  v_worker := push.idle_worker(p_now);
  if v_worker.id is null then
    if not push.call_function('push-dispatch', jsonb_build_object('dispatcher', v_dispatcher), p_now) then
      return null;
    end if;
  elsif v_worker.backend_pid is not null then
    -- Here and nowhere else: a commit that notifies takes a lock that all such commits of the server wait for.
    perform pg_notify(push.worker_channel(v_worker.id), '');
  end if;
  insert into push.dispatchers (id, started_at, lease_until, worker_id, is_awaited)
  select v_dispatcher, p_now, p_now + s.call_lease, v_worker.id, true from push.settings as s;
  return v_dispatcher;
exception when others then
  -- The bell may fail; the application's write that rang it may not. The tick rings again.
  perform push.raise_alarm('bell_failed', '', 'Calling push-dispatch failed: ' || sqlerrm, p_now);
  return null;
end;
$$;
comment on function push.ring(timestamptz) is
  'Calls a dispatcher, after commit: an idle worker, or push-dispatch. Returns its id, or null when the project is held, or that was not possible (then an alarm says why).';

create function push.call_for_backlog(p_now timestamptz default clock_timestamp())
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_settings push.settings;
  v_live integer;
begin
  select s.* into v_settings from push.settings as s;
  -- Those that were called and have not come yet count, so only the first transaction that notices calls one.
  select count(*) into v_live from push.dispatchers as w where w.lease_until > p_now;
  if v_live >= v_settings.max_dispatchers then
    return;
  end if;
  -- A push service that throttles takes no more of five dispatchers than of four.
  if push.has_due_in(null, p_now, v_settings.backlog_per_dispatcher * v_live, array(select p.origin from push.paces(p_now) as p)) then
    perform push.ring(p_now);
  end if;
end;
$$;
comment on function push.call_for_backlog(timestamptz) is
  'Calls one more dispatcher when those at work have more waiting than settings allow, up to the ceiling: push services that throttle left out.';

create function push.ring_for_work(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if not push.has_work(p_now) then
    return false;
  elsif exists (select from push.dispatchers as w where w.lease_until > p_now) then
    perform push.call_for_backlog(p_now);
    return false;
  end if;
  return push.ring(p_now) is not null;
end;
$$;
comment on function push.ring_for_work(timestamptz) is
  'Calls a dispatcher when there is work and none is live, or one more when those have too much; true when the first was called.';

create function push.hold_dispatcher(p_now timestamptz)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  perform from push.dispatchers as w
  -- A dispatcher that this very transaction called comes after its commit, even if the lease is over by then. A lease that
  -- ends later than any lease can was made before the clock was set back.
  where (w.lease_until > p_now and w.lease_until <= p_now + (
    select greatest(s.dispatcher_lease, s.call_lease) + interval '1 minute' from push.settings as s
  )) or w.called_in = pg_current_xact_id_if_assigned()
  order by w.lease_until desc
  limit 1
  for key share skip locked;
  return found;
exception when serialization_failure then
  -- In repeatable read a heartbeat since our snapshot reads as a conflict. Ring: one request too many is harmless.
  return false;
end;
$$;
comment on function push.hold_dispatcher(timestamptz) is
  'Keeps a live dispatcher from leaving until this transaction ends; false where there is none.';

create function push.await_ringer()
returns void
language plpgsql
set search_path = ''
-- What a write may wait at most. The transaction that rings ends sooner, unless it is a long one.
set lock_timeout = '50ms'
as $$
begin
  -- It asks again and again instead of waiting for the lock: a deadlock that a wait is part of ends one of its transactions.
  for v_look in 1 .. extract(epoch from current_setting('lock_timeout')::interval)::numeric * 200 loop
    exit when pg_try_advisory_xact_lock_shared(hashtextextended('supapush.ring', 0));
    perform pg_sleep(0.005);
  end loop;
  -- It is let go at once, by taking back this block: held until commit, it would keep others from ringing alone.
  raise lock_not_available;
exception when lock_not_available then
  return;
end;
$$;
comment on function push.await_ringer() is
  'Waits until the transaction that is ringing has ended, but only for a moment.';

create function push.wake(p_now timestamptz default clock_timestamp())
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Nothing is rung for a held project, so that its writers need not wait for each other either.
  if push.hold_dispatcher(p_now) or push.is_held(p_now) then
    return;
  end if;
  -- Many writers that commit at once do not see whom the others call. One of them calls, and the others look again when it has
  -- committed. If it rolls back or takes long they call for themselves, so that no write depends on another's.
  begin
    if pg_try_advisory_xact_lock(hashtextextended('supapush.ring', 0)) then
      if push.hold_dispatcher(p_now) or push.ring(p_now) is not null then
        return;
      end if;
      -- Nothing was called. Taking back this block lets go of the lock: nothing is to be waited for.
      raise lock_not_available;
    end if;
  exception when lock_not_available then
    -- Again, for the alarm that was taken back, too.
    perform push.ring(p_now);
    return;
  end;
  -- What others commit meanwhile is not seen in a snapshot that stays.
  if current_setting('transaction_isolation') = 'read committed' then
    perform push.await_ringer();
  end if;
  if not push.hold_dispatcher(p_now) then
    perform push.ring(p_now);
  end if;
end;
$$;
comment on function push.wake(timestamptz) is
  'Makes sure that a dispatcher sees what this transaction queues: one is held in place until commit, or one is called.';

create function push.wake_for_deliveries()
returns trigger
language plpgsql
-- Definer: fires for every role that queues; reads the Vault and writes the dispatchers, which that role may not.
security definer
set search_path = ''
as $$
declare
  v_is_due boolean;
  v_is_paused boolean;
  v_woken text;
begin
  -- One look for all that follows: an application's commit waits for it.
  select exists (select from push_new_deliveries as d where d.due_at <= clock_timestamp()),
    exists (select from push.pauses as p where p.resumed_at is null)
  into v_is_due, v_is_paused;
  if v_is_due and v_is_paused then
    if exists (select from push.pauses as p where p.resumed_at is null and p.category is not null) then
      -- First what is of a paused category is put aside, so that it rings no bell and stands in front of no others. One by one, by key:
      -- no plan is left to the planner.
      perform push.park(d.id, d.notification_id)
      from push_new_deliveries as d
      -- A delivery that waits for the end of quiet hours waits for that first.
      where d.lease_until is null and d.due_at <= clock_timestamp();
    end if;
    v_is_due := exists (
      select from push_new_deliveries as d
      where d.due_at <= clock_timestamp()
        and d.host <> all ((select push.held_hosts())::text[]) and not push.is_parked(d.id)
    );
  end if;
  -- Deliveries that preferences hold back or suppress, or that are paused, are no work now.
  if not v_is_due then
    return null;
  end if;
  -- A transaction that writes row by row holds its dispatcher since the first of them, and looks again every second. The setting goes with
  -- a savepoint that is rolled back, and so does the lock.
  v_woken := format('%s %s', pg_current_xact_id(), extract(epoch from clock_timestamp())::bigint);
  if current_setting('supapush.woken', true) is distinct from v_woken then
    perform push.wake();
    perform set_config('supapush.woken', v_woken, true);
  end if;
  return null;
end;
$$;
comment on function push.wake_for_deliveries() is
  'Puts new deliveries of a paused category aside, and rings for the others, once per statement and at most once per burst.';

create trigger queue_wake
after insert on push.queue
referencing new table as push_new_deliveries
for each statement execute function push.wake_for_deliveries();
