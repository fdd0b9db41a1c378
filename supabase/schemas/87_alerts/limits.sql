-- How many alerts of one user are sent one by one within a minute. Those that fire beyond that limit are counted.
--
-- Everything here is counted per user, by writers of quotes, which must never wait for each other because of it. Only one
-- transaction at a time writes a symbol, since it holds the symbol's row in push_quotes until its commit. So there is a count
-- for each symbol, and the sum of a user's counts is read without a lock.

create table push.alert_counts (
  minute timestamptz not null,
  user_id uuid not null,
  symbol text collate "C" not null,
  by_tick boolean not null,
  told integer not null,
  folded integer not null,
  urgency smallint not null,
  constraint alert_counts_pkey primary key (minute, user_id, symbol, by_tick)
)
-- Room on the page: counting messages touches no index.
with (fillfactor = 70);
comment on table push.alert_counts is
  'How many alerts on a symbol were sent to a user within a minute, and how many more fired. Gone within two minutes, so it has no foreign key, '
  'whose check would cost more than the row.';
comment on column push.alert_counts.by_tick is
  'Counted by push.fire_missed_alerts(), which holds no row of push_quotes: it has counts of its own, so that no writer of quotes waits for it.';
comment on column push.alert_counts.folded is 'Alerts that fired beyond the limit: their user is told how many.';
comment on column push.alert_counts.urgency is 'The highest of those, from 1 (very-low) to 4 (high).';

-- Finds by user the counts for the message at the end of the minute.
create index alert_counts_folded_idx on push.alert_counts (user_id, minute) where folded > 0;

alter table push.alert_counts enable row level security;
create policy alert_counts_nobody on push.alert_counts for all to public using (false);

create function push.fold_alerts(
  p_firings push.firing[], p_by_tick boolean, p_now timestamptz, out to_tell push.firing[], out folded integer
)
language plpgsql
set search_path = ''
-- By key, however many have fired: see push.crossed_alerts().
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
declare
  v_limit constant integer := (select s.alerts_per_minute from push.settings as s);
  v_minute constant timestamptz := date_trunc('minute', p_now);
begin
  to_tell := p_firings;
  folded := 0;
  if v_limit is null or p_firings = '{}' then
    return;
  end if;
  with fired as (
    select f.*, row_number() over (partition by f.user_id order by f.place) as turn
    from unnest(p_firings) with ordinality as f (id, user_id, symbol, generation, side, level_price, price, change, place)
  ), judged as materialized (
    -- Asked once for each user. Counts that others write at this very moment are not seen, so a few more messages may be sent.
    select f.*, f.turn + max(case when f.turn = 1 then (
      select coalesce(sum(c.told), 0) from push.alert_counts as c where c.minute = v_minute and c.user_id = f.user_id
    ) end) over (partition by f.user_id) > v_limit as is_folded
    from fired as f
  ), counted as (
    insert into push.alert_counts as c (minute, user_id, symbol, by_tick, told, folded, urgency)
    select v_minute, j.user_id, j.symbol, p_by_tick,
      count(*) filter (where not j.is_folded), count(*) filter (where j.is_folded),
      coalesce(max((
        select array_position('{very-low,low,normal,high}', a.urgency) from public.push_alerts as a where a.id = j.id
      )) filter (where j.is_folded), 1)
    from judged as j
    group by j.user_id, j.symbol
    on conflict on constraint alert_counts_pkey do update
    set told = c.told + excluded.told, folded = c.folded + excluded.folded, urgency = greatest(c.urgency, excluded.urgency)
  )
  select
    coalesce(array_agg(
      row(j.id, j.user_id, j.symbol, j.generation, j.side, j.level_price, j.price, j.change)::push.firing
    ) filter (where not j.is_folded), '{}'),
    count(*) filter (where j.is_folded)
  into to_tell, folded
  from judged as j;
end;
$$;
comment on function push.fold_alerts(push.firing[], boolean, timestamptz) is
  'Of alerts that have fired, as push.step_alerts() returns them: those to be told one by one, and how many are beyond their users'' limit for '
  'this minute, which is noted for push.tell_folded_alerts().';
