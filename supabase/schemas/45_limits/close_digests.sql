-- A digest whose window is over becomes one message, its summary.

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

create function push.summary_of(p_digest push.digests, p_id uuid, p_message push.message)
returns public.push_notifications
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_summary public.push_notifications := push.notification_of(p_message, p_digest.user_id);
begin
  v_summary.id := p_id;
  v_summary.digest_id := p_digest.id;
  -- What it calls attention to is there.
  v_summary.inbox := false;
  return v_summary;
end;
$$;
comment on function push.summary_of(push.digests, uuid, push.message) is 'The notification, of this id, that tells what waits in a digest.';

create function push.summarise_digests(p_ids uuid[], p_plain boolean, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_summaries public.push_notifications[];
begin
  with due as (
    -- Digests of one user and key that ended in quiet hours share the summary of the last one.
    select d.id, first_value(d.id) over (
      partition by d.user_id, d.digest_key, case when not w.deferred then d.id end order by d.opened_at desc, d.id
    ) as last_id
    from push.digests as d
    join push.digest_windows as w on w.digest_id = d.id
    where d.id = any (p_ids)
  ), items as (
    -- Messages that were cancelled, read meanwhile or have expired are left out.
    select n.title, n.body, n.url, n.params, n.category, n.urgency, n.ttl, n.expires_at, u.last_id as digest_id,
      row_number() over (partition by u.last_id order by n.send_at desc, n.created_at desc, n.id) as place
    from due as u
    join public.push_notifications as n on n.digest_id = u.id
    where n.status = 'digested' and n.read_at is null and n.expires_at > p_now
      -- So are those that their user has muted since: they would be listed, or would mute the summary of the others.
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
    select push.summary_of(d, s.summary_id, row(
      t.title, t.body, t.url, t.params, s.category, ('{very-low,low,normal,high}'::text[])[s.urgency], s.ttl, null, 'digest:' || d.digest_key,
      t.template, null, null, p_now,
      -- It matters no longer than the last of its items.
      least(
        s.expires_at, p_now + make_interval(secs => greatest(coalesce(s.ttl, (select o.default_ttl from push.settings as o)), 60))
      ),
      null
    )::push.message) as notification
    from sums as s
    join push.digests as d on d.id = s.digest_id
    left join push.digest_policies as p on p.key = d.policy
    cross join lateral push.summarise(
      case when p_plain then jsonb_populate_record(p, '{"template": null}') else p end, d.digest_key, s.newest, s.items
    ) as t
  ), done as (
    delete from push.digest_windows as w where w.digest_id = any (p_ids)
  ), closed as (
    update push.digests as d
    set closed_at = p_now,
        items = case when u.id = u.last_id then coalesce(s.items, 0) else 0 end,
        summary_id = s.summary_id
    from due as u
    left join sums as s on s.digest_id = u.last_id
    where d.id = u.id
  )
  select array_agg(s.notification) into v_summaries from summaries as s;
  perform push.insert_notifications(v_summaries);
end;
$$;
comment on function push.summarise_digests(uuid[], boolean, timestamptz) is
  'Makes the summaries of these digests, whose rows the caller holds for update; with p_plain without their templates.';

create function push.defer_digests(p_limit integer, p_now timestamptz)
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
  update push.digest_windows as w set closes_at = due.until, deferred = true from due where w.digest_id = due.digest_id;
$$;
comment on function push.defer_digests(integer, timestamptz) is
  'Moves the end of due digests to the end of their users'' quiet hours, unless something in them may ring all the same.';

create function push.shorten_digests(p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  -- Opened after now, by a clock that was set back since: from now on they last as long as any.
  update push.digest_windows as w set closes_at = p_now + p.window_length
  from push.digests as d, push.digest_policies as p
  where d.id = w.digest_id and p.key = w.policy and not w.deferred
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
  perform push.defer_digests(p_limit, p_now);
  v_ids := array(
    select d.id from push.digest_windows as w
    join push.digests as d on d.id = w.digest_id
    where w.closes_at <= p_now and d.closed_at is null
    order by w.closes_at, w.digest_id
    limit p_limit
    -- A transaction that joined has not committed yet, or another one closes it.
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
  exception when assert_failure or others then
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
      when assert_failure or others then
        perform push.raise_alarm('digest_failed', v_digest.policy, 'The summary of a digest could not be made: ' || sqlerrm, p_now);
    end;
    -- Rather in plain words than not at all.
    begin
      perform push.summarise_digests(array[v_digest.id], true, p_now);
    exception when assert_failure or others then
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
