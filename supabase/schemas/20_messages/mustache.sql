-- Mustache for plain text, the language of templates: from a text to nodes.
--
-- In SQL, because what is rendered must stand in the inbox, count in the size of the message and be refused at the door.
-- It means what mustache.js means: {{name}}, {{a.b}}, {{.}}, sections {{#name}}…{{/name}}, inverted sections
-- {{^name}}…{{/name}}, comments {{! … }}, and lines that hold nothing but such tags leave no line behind. There are no
-- partials, delimiters or lambdas, and nothing is escaped for HTML: a notification is plain text. A value is put in as it
-- is and never read as a template.
--
-- A text is compiled once, when its template is saved, into a list of nodes:
--   "text"  ·  {"name": "a.b"}  ·  {"name": "items", "inverted": false, "nodes": […]}

create function push.mustache_pieces(p_text text)
returns table (text text, is_tag boolean, "position" bigint, is_unclosed boolean, kind text, name text, is_dropped boolean)
-- Not in SQL: called from PL/pgSQL, that is planned anew each time.
language plpgsql
immutable
set search_path = ''
as $$
begin
  return query
  with piece as (
    -- A tag, or text up to the end of its line. A brace is a piece of its own: two in a row open a tag that never ends.
    select m.found[1] as text, m.place, left(m.found[1], 2) = '{{' as is_tag
    from regexp_matches(
      p_text, '\{\{\{(?:[^}]|\}[^}]|\}\}[^}])*\}\}\}|\{\{(?:[^}]|\}[^}])*\}\}|[^{\n]*\n|[^{\n]+|\{', 'g'
    ) with ordinality as m (found, place)
  ), inside as (
    select p.text, p.place, p.is_tag,
      case
        when not p.is_tag then null
        when p.text like '{{{%}}}' then '&' || substr(p.text, 4, length(p.text) - 6)
        else btrim(substr(p.text, 3, length(p.text) - 4), E' \t\r\n\f\v')
      end as inside,
      1 + coalesce(sum(length(p.text)) over before, 0) as position,
      count(*) filter (where right(p.text, 1) = E'\n' and not p.is_tag) over before as line,
      p.text = '{' and coalesce(lead(p.text) over (order by p.place) = '{', false) as is_unclosed
    from piece as p
    window before as (order by p.place rows between unbounded preceding and 1 preceding)
  ), read as (
    select i.text, i.place, i.is_tag, i.position, i.line, i.is_unclosed,
      case when left(i.inside, 1) = any ('{#,^,/,&,!,>,=,<,$,"{"}') then left(i.inside, 1) else '' end as kind,
      btrim(substr(i.inside, case when left(i.inside, 1) = any ('{#,^,/,&,!,>,=,<,$,"{"}') then 2 else 1 end), E' \t\r\n\f\v')
        as name
    from inside as i
  )
  select r.text, r.is_tag, r.position, r.is_unclosed, r.kind, r.name,
    -- The rest of a line whose tags all are of sections and comments.
    not r.is_tag and bool_or(r.is_tag) over line
      and not bool_or(case when r.is_tag then r.kind in ('', '&') else r.text ~ '[^ \t\r\n\f\v]' end) over line as is_dropped
  from read as r
  window line as (partition by r.line)
  order by r.place;
end;
$$;
comment on function push.mustache_pieces(text) is
  'The tags of a Mustache text and what stands between them, in order: of a tag its kind (such as #) and name; dropped: the rest of a line that has '
  'only tags of sections and comments.';

create function push.compile_mustache(p_text text, p_field text)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  -- A section over a list within itself multiplies the work, and a few lines of text need no more levels.
  c_deepest constant integer := 5;
  v_piece record;
  v_text text := '';
  -- What was read so far of the whole text, and of each section that is open.
  v_lists jsonb[] := array['[]'::jsonb];
  v_open jsonb[] := array[]::jsonb[];
  v_depth integer := 1;
  v_node jsonb;
begin
  for v_piece in
    select * from push.mustache_pieces(p_text)
  loop
    if v_piece.is_unclosed or v_piece.kind = '{' then
      perform push.refuse(400, 'template_syntax',
        format('%s, character %s: the tag that starts here is not closed.', p_field, v_piece.position),
        'Close it with }}, or with }}} if it starts with {{{.');
    elsif not v_piece.is_tag then
      v_text := v_text || case when v_piece.is_dropped then '' else v_piece.text end;
      continue;
    elsif v_piece.kind in ('>', '=', '<', '$') then
      perform push.refuse(400, 'template_unsupported',
        format('%s, character %s: notification templates do not support %s.',
          p_field, v_piece.position, left(v_piece.text, 40)),
        'Use variables, sections {{#name}}…{{/name}}, inverted sections {{^name}}…{{/name}} and comments {{! … }}.');
    elsif v_piece.kind = '!' then
      continue;
    elsif v_piece.name !~ '^(\.|([A-Za-z0-9_]|[^\x01-\xa0])([A-Za-z0-9_-]|[^\x01-\xa0])*(\.([A-Za-z0-9_]|[^\x01-\xa0])([A-Za-z0-9_-]|[^\x01-\xa0])*)*)$' then
      perform push.refuse(400, 'template_syntax',
        format('%s, character %s: %s is not the name of a variable.', p_field, v_piece.position, left(v_piece.text, 40)),
        'Use letters, digits, _ and -, and a dot to reach into an object: {{deal.name}}.');
    end if;

    if v_text <> '' then
      v_lists[v_depth] := v_lists[v_depth] || to_jsonb(v_text);
      v_text := '';
    end if;
    if v_piece.kind in ('', '&') then
      v_lists[v_depth] := v_lists[v_depth] || jsonb_build_object('name', v_piece.name);
    elsif v_piece.kind in ('#', '^') then
      if v_depth > c_deepest then
        perform push.refuse(400, 'template_too_deep',
          format('%s, character %s: sections can be nested at most %s deep.', p_field, v_piece.position, c_deepest),
          'Prepare the text in params.');
      end if;
      v_open[v_depth] := jsonb_build_object(
        'name', v_piece.name, 'inverted', v_piece.kind = '^', 'position', v_piece.position
      );
      v_depth := v_depth + 1;
      v_lists[v_depth] := '[]';
    elsif v_depth = 1 or v_open[v_depth - 1] ->> 'name' <> v_piece.name then
      perform push.refuse(400, 'template_syntax',
        format('%s, character %s: %s does not close the section that is open here%s.', p_field, v_piece.position,
          left(v_piece.text, 40), case when v_depth > 1 then ', which is ' || (v_open[v_depth - 1] ->> 'name') else '' end),
        'Close the section that was opened last first.');
    else
      v_node := (v_open[v_depth - 1] - 'position') || jsonb_build_object('nodes', v_lists[v_depth]);
      v_depth := v_depth - 1;
      v_lists[v_depth] := v_lists[v_depth] || v_node;
    end if;
  end loop;
  if v_depth > 1 then
    perform push.refuse(400, 'template_syntax',
      format('%s, character %s: the section %s is not closed.', p_field, v_open[v_depth - 1] ->> 'position',
        v_open[v_depth - 1] ->> 'name'),
      format('Close it with {{/%s}}.', v_open[v_depth - 1] ->> 'name'));
  end if;
  return v_lists[1] || case when v_text = '' then '[]' else to_jsonb(v_text) end;
end;
$$;
comment on function push.compile_mustache(text, text) is
  'The nodes of a Mustache text; p_field names it in errors, which say at which character it is wrong.';

create function push.mustache_value(p_stack jsonb[], p_name text)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  if p_name = '.' then
    return p_stack[cardinality(p_stack)];
  end if;
  -- As mustache.js: the innermost object in which the whole path leads somewhere.
  return (
    select f.value #> string_to_array(p_name, '.')
    from unnest(p_stack) with ordinality as f (value, depth)
    where f.value #> string_to_array(p_name, '.') is not null
    order by f.depth desc
    limit 1
  );
end;
$$;
comment on function push.mustache_value(jsonb[], text) is
  'What a name stands for within these objects, the outermost first; null when there is nothing of that name.';

create function push.percent_encode(p_text text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- RFC 3986, with the characters that JavaScript's encodeURIComponent() leaves alone.
  if p_text ~ '^[A-Za-z0-9_.!~*''()-]*$' then
    return p_text;
  end if;
  return (
    select string_agg(
      case when c.letter ~ '[A-Za-z0-9_.!~*''()-]' then c.letter
      else upper(regexp_replace(encode(convert_to(c.letter, 'UTF8'), 'hex'), '(..)', '%\1', 'g')) end,
      '' order by c.place)
    from regexp_split_to_table(p_text, '') with ordinality as c (letter, place)
  );
end;
$$;
comment on function push.percent_encode(text) is 'A text as one part of a URL, in which it cannot end that part. For the database owner.';
