-- Supapush: what happens when a rule fails. The application's write goes through; what can be notified is; the rest is noted.

create table push.rule_errors (
  id bigint not null generated always as identity,
  rule text not null,
  event text not null,
  row_key jsonb,
  row_count bigint,
  sqlstate text not null,
  message text not null,
  detail text,
  occurred_at timestamptz not null default clock_timestamp(),
  constraint rule_errors_pkey primary key (id)
);
comment on table push.rule_errors is 'What went wrong in a rule. The write that fired it went through all the same.';
comment on column push.rule_errors.row_key is
  'The primary key of the row nobody was told about; null when it is about more than one row, or the table has no primary key.';
comment on column push.rule_errors.row_count is 'How many changed rows it is about; null when that is not known.';
create index rule_errors_rule_idx on push.rule_errors (rule, occurred_at desc);

alter table push.rule_errors enable row level security;
create policy rule_errors_nobody on push.rule_errors for all to public using (false);

create function push.note_rule_error(
  p_rule text, p_event text, p_row_key jsonb, p_row_count bigint, p_sqlstate text, p_message text, p_detail text,
  p_now timestamptz default clock_timestamp()
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into push.rule_errors (rule, event, row_key, row_count, sqlstate, message, detail, occurred_at)
  values (p_rule, p_event, p_row_key, p_row_count, p_sqlstate, p_message, p_detail, p_now);
  perform push.raise_alarm('rule_failed', p_rule, format('Rule %s failed on %s: %s. See push.rule_errors.', p_rule, p_event, p_message),
    p_now);
exception
  when serialization_failure then
    raise;
  when others then
    -- Not even this may break the application's write.
    raise warning 'Supapush could not note an error of rule %: %', p_rule, sqlerrm;
end;
$$;
comment on function push.note_rule_error(text, text, jsonb, bigint, text, text, text, timestamptz) is
  'Notes what went wrong in a rule, and raises its alarm.';

create function push.rule_parts(p_rule push.rules, p_event text)
returns text
language sql
stable
set search_path = ''
as $$
  -- The condition is left to the retry: it may be what fails.
  select format(
    $query$select array_agg(p.new_row) as new_rows, array_agg(p.old_row) as old_rows
      from (
        select row(new.*)::%1$s as new_row, row(old.*)::%1$s as old_row, (row_number() over () - 1) / 1000 as part from %2$s
      ) as p
      group by p.part order by p.part$query$,
    p_rule.watched, push.rule_source(p_rule, p_event, 'push_new_rows', 'push_old_rows', null));
$$;
comment on function push.rule_parts(push.rules, text) is
  'The select of the changed rows in parts of a thousand, as arrays, to be tried again by push.retry_rule().';

create function push.retry_rule(
  p_rule push.rules, p_event text, p_insert text, p_new_rows anyarray, p_old_rows anyarray,
  inout p_errors_left integer, inout p_untried bigint
)
returns record
language plpgsql
set search_path = ''
set jit = off
as $$
declare
  v_count integer := cardinality(p_new_rows);
  v_half integer := v_count / 2;
  v_key jsonb;
  v_detail text;
begin
  if p_errors_left <= 0 then
    p_untried := p_untried + v_count;
    return;
  end if;
  begin
    execute p_insert using p_new_rows, p_old_rows;
    return;
  exception
    when serialization_failure then
      raise;
    when others then
      get stacked diagnostics v_detail = pg_exception_detail;
      if v_count = 1 then
        select jsonb_object_agg(k.name, to_jsonb(case p_event when 'delete' then p_old_rows[1] else p_new_rows[1] end) -> k.name)
        into v_key
        from unnest(push.key_columns(p_rule.watched)) as k (name);
      end if;
      -- What does not compile (class 42) does not for any other row either.
      if v_count = 1 or sqlstate like '42%' then
        perform push.note_rule_error(p_rule.name, p_event, v_key, v_count, sqlstate, sqlerrm, v_detail);
        p_errors_left := case when sqlstate like '42%' then 0 else p_errors_left - 1 end;
        return;
      end if;
  end;
  -- One of them is to blame: the others are found by halves.
  select r.p_errors_left, r.p_untried into p_errors_left, p_untried
  from push.retry_rule(p_rule, p_event, p_insert, p_new_rows[:v_half], p_old_rows[:v_half], p_errors_left, p_untried) as r;
  select r.p_errors_left, r.p_untried into p_errors_left, p_untried
  from push.retry_rule(p_rule, p_event, p_insert, p_new_rows[v_half + 1:], p_old_rows[v_half + 1:], p_errors_left, p_untried) as r;
end;
$$;
comment on function push.retry_rule(push.rules, text, text, anyarray, anyarray, integer, bigint) is
  'Runs a rule over these rows so that a bad one costs only itself, until as many were bad as are left; counts those that were not tried.';

revoke all on all functions in schema push from public;
