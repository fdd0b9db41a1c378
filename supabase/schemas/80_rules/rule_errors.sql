-- Errors of rules: what could not be notified, with its row and the reason.

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
comment on table push.rule_errors is 'What went wrong in a rule. The write that fired it went through all the same. For the database owner.';
comment on column push.rule_errors.row_key is
  'The primary key of the row for which no message was sent, numbers beyond 2^53 as text; null when it is about more than one row, or the '
  'table has no primary key.';
comment on column push.rule_errors.row_count is
  'How many rows it is about; where the rule itself does not work, all that the statement wrote. Null when that is not known.';
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
  -- A key is read in a page of JavaScript, such as the dashboard's SQL editor.
  values (p_rule, p_event, push.exact_numbers(p_row_key), p_row_count, p_sqlstate, p_message, p_detail, p_now);
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
