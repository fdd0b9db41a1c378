-- Alerts beyond the limit of a minute are summed up in one message when the minute is over.

alter table push.settings
  add column alerts_per_minute integer default 10,
  add column alert_summary_template text,
  add constraint settings_alerts_per_minute check (alerts_per_minute > 0);
comment on column push.settings.alerts_per_minute is
  'Alerts that are told to one user one by one within a minute; how many more fired is told in one message when it is over. Ten are as many as a '
  'person reads in a minute, and 200 deliveries to 20 devices. Without a limit, 100 alerts and 20 devices make 2,000 deliveries of each quote, and '
  'the messages of all other users wait for these. Null: no limit.';
comment on column push.settings.alert_summary_template is
  'The template (push_templates.key) of what that message says, with count, names and symbols. Null: words of this project''s.';

create function push.write_alert_summary(p_summary jsonb, p_template text, p_now timestamptz)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count text := p_summary -> 'params' ->> 'count';
  -- Its category, urgency and params.
  v_message push.message := jsonb_populate_record(null::push.message, p_summary);
begin
  v_message.template := p_template;
  if p_template is null then
    v_message.title := format('🔴 %s more %s', v_count, case v_count when '1' then 'alert' else 'alerts' end);
    v_message.body := p_summary -> 'params' ->> 'names';
  end if;
  v_message.tag := 'alerts:more';
  v_message.send_at := p_now;
  perform push.send_message((p_summary ->> 'user_id')::uuid, null, v_message);
  if p_template is not null then
    perform push.resolve_alarm('alert_template_failed', p_template);
  end if;
  return 1;
exception
  when serialization_failure or deadlock_detected or lock_not_available then
    raise;
  when others then
    -- As push.write_alerts() does.
    if p_template is not null then
      perform push.raise_alarm('alert_template_failed', p_template, format('Alerts are sent without template %s: %s', p_template, sqlerrm));
      return push.write_alert_summary(p_summary, null, p_now);
    end if;
    perform push.raise_alarm('alert_not_told', '', format('%s more alerts fired, and the message was refused: %s', v_count, sqlerrm));
    return 0;
end;
$$;
comment on function push.write_alert_summary(jsonb, text, timestamptz) is
  'Writes the message that says how many more alerts fired: {user_id, category, urgency, params: {count, names, symbols}}; returns how many it wrote.';

create function push.tell_folded_alerts(p_limit integer default 10000, p_now timestamptz default clock_timestamp())
returns integer
language plpgsql
set search_path = ''
-- See push.crossed_alerts().
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_minute constant timestamptz := date_trunc('minute', p_now);
  v_template constant text := (select s.alert_summary_template from push.settings as s);
  v_user_ids uuid[];
  v_summaries jsonb[];
  v_summary jsonb;
  v_count integer := 0;
begin
  -- Their users are locked as push.lock_alerts() does it, without waiting. What is counted late for such a minute waits for this.
  v_user_ids := array(
    select u.id
    from (
      select distinct c.user_id from push.alert_counts as c where c.folded > 0 and c.minute < v_minute limit p_limit
    ) as f
    cross join lateral (select k.id from auth.users as k where k.id = f.user_id for key share skip locked) as u
  );
  with taken as (
    delete from push.alert_counts as c
    where (c.minute, c.user_id, c.symbol, c.by_tick) in (
      select o.minute, o.user_id, o.symbol, o.by_tick
      from unnest(v_user_ids) as i (id)
      cross join lateral (
        select k.minute, k.user_id, k.symbol, k.by_tick from push.alert_counts as k
        where k.user_id = i.id and k.folded > 0 and k.minute < v_minute
        for update skip locked
      ) as o
    )
    returning c.user_id, c.symbol, c.folded, c.urgency
  ), sums as (
    select t.user_id, t.symbol, sum(t.folded) as folded, max(t.urgency) as urgency,
      push.is_wanted(t.user_id, 'alerts:' || t.symbol, p_now) as wanted
    from taken as t
    group by t.user_id, t.symbol
  ), told as (
    -- Symbols that the user has muted are left out. If all are muted, the message is only in the inbox.
    select s.*, row_number() over (partition by s.user_id order by s.folded desc, s.symbol) as place
    from (select k.*, bool_or(k.wanted) over (partition by k.user_id) as any_wanted from sums as k) as s
    where s.wanted or not s.any_wanted
  ), summaries as (
    select t.user_id, sum(t.folded) as count, max(t.urgency) as urgency, count(*) as symbols, min(t.symbol) as symbol,
      jsonb_agg(jsonb_build_object('symbol', t.symbol, 'count', t.folded) order by t.place) filter (where t.place <= 10) as named,
      string_agg(t.symbol || case when t.folded > 1 then ' × ' || t.folded else '' end, ' · ' order by t.place) filter (where t.place <= 5)
        as names
    from told as t
    group by t.user_id
  )
  select array_agg(jsonb_build_object(
    'user_id', s.user_id,
    'category', 'alerts' || case when s.symbols = 1 then ':' || s.symbol else '' end,
    'urgency', ('{very-low,low,normal,high}'::text[])[s.urgency],
    'params', jsonb_build_object(
      'count', s.count, 'symbols', s.named, 'names', s.names || case when s.symbols > 5 then ' · …' else '' end
    )
  ))
  into v_summaries
  from summaries as s;
  foreach v_summary in array coalesce(v_summaries, '{}') loop
    v_count := v_count + push.write_alert_summary(v_summary, v_template, p_now);
  end loop;
  -- Deletes the counts of alerts that got a message each, and those of users who are gone.
  delete from push.alert_counts as c
  where (c.minute, c.user_id, c.symbol, c.by_tick) in (
    select o.minute, o.user_id, o.symbol, o.by_tick from push.alert_counts as o
    where o.minute < v_minute and (o.folded = 0 or not exists (select from auth.users as u where u.id = o.user_id))
    order by o.minute, o.user_id
    limit p_limit * 10
    for update skip locked
  );
  return v_count;
end;
$$;
comment on function push.tell_folded_alerts(integer, timestamptz) is
  'Tells each user in one message how many more alerts have fired in the minutes that are over, and forgets what was counted in these; returns how '
  'many messages those are. They are scheduled for now: the tick, which may meet limits that others hold, releases them.';
