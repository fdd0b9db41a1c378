-- push.watch() and push.unwatch(), which declare and remove a rule.

create function push.unwatch(p_name text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_rule push.rules;
  v_event text;
begin
  perform push.resolve_alarm(a.code, p_name) from (values ('rule_failed'), ('rule_broken')) as a (code);
  delete from push.rules as r where r.name = p_name returning r.* into v_rule;
  if v_rule.name is null then
    return false;
  end if;
  foreach v_event in array array(select distinct e.name from unnest(v_rule.events) as e (name)) loop
    execute format('drop function if exists push.%I(anyarray, anyarray)', 'rule_' || p_name || '_' || v_event);
    begin
      perform push.compile_trigger(v_rule.watched, v_event, false);
    exception when syntax_error_or_access_rule_violation then
      -- The rules that remain do not fit the table any more, which push.check_rules() tells. Their trigger keeps its text, and passes
      -- over the rule that is gone.
      null;
    end;
  end loop;
  perform push.drop_unused_triggers();
  return true;
end;
$$;
comment on function push.unwatch(text) is 'Removes a rule and its triggers; false when there was none of that name. For the database owner.';

create function push.check_rule(p_rule push.rules)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_missing text;
begin
  if p_rule.watched is null then
    perform push.refuse(400, 'rule_table_missing', 'A rule needs a table.', 'Name it, with its schema: ''public.deals''.');
  end if;
  if not push.is_declared_name(p_rule.name) then
    perform push.refuse(400, 'rule_name_malformed',
      'A rule''s name must have 1 to 40 characters from a-z 0-9 _ and start with a letter.', 'Choose another name.');
  end if;
  if not push.is_table(p_rule.watched) then
    perform push.refuse(400, 'rule_table_unsuitable', format('%s is not a table.', p_rule.watched), 'Use the table behind it.');
  end if;
  if p_rule.table_schema = 'push' or p_rule.watched = 'public.push_notifications'::regclass then
    perform push.refuse(400, 'rule_table_unsuitable', format('A rule on %s would trigger itself.', p_rule.watched),
      'Watch a table of your own, or push_subscriptions.');
  end if;
  if coalesce(cardinality(p_rule.events), 0) = 0 or not p_rule.events <@ '{insert,update,delete}' then
    perform push.refuse(400, 'rule_events_unknown', 'A rule''s events can be insert, update and delete.', 'Name at least one of them.');
  end if;
  if p_rule.recipients is null or num_nonnulls(p_rule.title, p_rule.template) = 0 then
    perform push.refuse(400, 'rule_incomplete', 'A rule needs recipients, and a title or a template.',
      'Give recipients and title as SQL expressions, or name a template.');
  end if;
  -- What stands in it as it is; the rest are expressions.
  perform push.check_message(jsonb_populate_record(null::push.message, jsonb_build_object(
    'urgency', p_rule.urgency, 'ttl', p_rule.ttl, 'collapse_key', p_rule.collapse_key, 'category', p_rule.category
  )));
  if p_rule.columns is not null and not 'update' = any (p_rule.events) then
    perform push.refuse(400, 'rule_columns_without_update', 'Columns are only compared on update.',
      'Add update to the events, or leave out the columns.');
  end if;
  v_missing := push.missing_columns(p_rule.watched, p_rule.columns);
  if v_missing is not null then
    perform push.refuse(400, 'rule_columns_unknown', format('%s has no column %s.', p_rule.watched, v_missing), 'Correct the columns.');
  end if;
  if 'update' = any (p_rule.events)
    and push.key_columns(p_rule.watched) is null then
    perform push.refuse(400, 'rule_needs_primary_key',
      format('%s has no primary key, which is needed to match old and new rows on update.', p_rule.watched), 'Add a primary key.');
  end if;
end;
$$;
comment on function push.check_rule(push.rules) is 'Raises what is wrong with a rule that is declared, before it is compiled; returns when nothing is.';

create function push.watch(
  p_name text,
  p_table regclass,
  p_recipients text,
  p_title text default null,
  p_body text default null,
  p_url text default null,
  p_params text default null,
  p_events text[] default '{insert}',
  p_columns text[] default null,
  p_condition text default null,
  p_category text default null,
  p_urgency text default null,
  p_ttl integer default null,
  p_collapse_key text default null,
  p_idempotency_key text default null,
  p_tag text default null,
  p_template text default null,
  p_digest_key text default null,
  p_presentation text default null,
  p_send_at text default null,
  p_expires_at text default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_rule push.rules;
  v_event text;
begin
  v_rule := jsonb_populate_record(null::push.rules, jsonb_build_object(
    'name', p_name, 'watched', p_table::oid::text,
    'events', p_events, 'columns', p_columns, 'condition', p_condition, 'recipients', p_recipients, 'title', p_title,
    'body', p_body, 'url', p_url, 'params', p_params, 'template', p_template, 'category', p_category, 'urgency', p_urgency,
    'ttl', p_ttl, 'collapse_key', p_collapse_key, 'idempotency_key', p_idempotency_key, 'tag', p_tag, 'digest_key', p_digest_key,
    'presentation', p_presentation, 'send_at', p_send_at, 'expires_at', p_expires_at
  ));
  v_rule.created_at := now();
  select n.nspname, c.relname into v_rule.table_schema, v_rule.table_name
  from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid = p_table;
  perform push.check_rule(v_rule);

  perform push.unwatch(p_name);
  insert into push.rules values (v_rule.*);
  begin
    perform push.compile_rule(v_rule);
  exception when syntax_error_or_access_rule_violation or data_exception or feature_not_supported then
    perform push.refuse(400, 'rule_does_not_compile',
      format('Rule %s (%s) does not compile: %s', p_name, array_to_string(p_events, ', '), sqlerrm),
      'Expressions are SQL over new, old and rule.changes. Name every table and function with its schema.');
  end;
  perform push.refuse_constants(p_url, p_presentation);
  foreach v_event in array array(select distinct e.name from unnest(p_events) as e (name)) loop
    perform push.compile_trigger(p_table, v_event, true);
  end loop;
end;
$$;
comment on function push.watch(
  text, regclass, text, text, text, text, text, text[], text[], text, text, text, integer, text, text, text, text, text, text, text, text
) is
  'Declares a rule: on these events of the table (on update: only when one of the columns changed) and where the condition holds, '
  'notify the recipients. Recipients, title, body, url, params, condition, idempotency key, tag, digest key, presentation, and the times at which to '
  'send and to expire are SQL expressions over new, old and rule.changes. With columns and without params, params are {"changes": rule.changes}. Declaring a name again replaces the rule. For the database owner.

p_table: The table to watch, with its primary key where updates are watched.';
