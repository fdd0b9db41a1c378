-- Locales: how they are written, and which one stands in for another.

create function push.normal_locale(p_locale text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  -- As systems write them (de_AT.UTF-8@euro), and without extensions (de-AT-u-co-phonebk), which choose no translation.
  v_parts text[] := string_to_array(
    regexp_replace(replace(lower(regexp_replace(p_locale, '[.@].*$', '')), '_', '-'), '-[a-z0-9](-.*)?$', ''), '-'
  );
begin
  if (array_to_string(v_parts, '-') ~ '^[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*$') is not true then
    return null;
  end if;
  for v_place in 2 .. cardinality(v_parts) loop
    v_parts[v_place] := case
      when v_parts[v_place] ~ '^[a-z]{4}$' then initcap(v_parts[v_place])
      when v_parts[v_place] ~ '^[a-z]{2}$' then upper(v_parts[v_place])
      else v_parts[v_place]
    end;
  end loop;
  return array_to_string(v_parts, '-');
end;
$$;
comment on function push.normal_locale(text) is
  'A locale as BCP 47 writes it (de_at → de-AT, zh-hant-tw → zh-Hant-TW); null when it is none.';

create function push.locale_chain(p_locale text)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_locale text := push.normal_locale(p_locale);
  v_chain text[] := array[]::text[];
begin
  while v_locale <> '' loop
    v_chain := v_chain || v_locale;
    v_locale := substring(v_locale from '^(.*)-[^-]*$');
  end loop;
  return v_chain || ''::text;
end;
$$;
comment on function push.locale_chain(text) is
  'Where a text for a locale is looked for, in this order: de-AT, de, and the default, which is empty.';
