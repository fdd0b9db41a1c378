-- Numbers that arrive as they were written.
--
-- jsonb holds every number exactly. What reads it in the end is JavaScript: the function that sends, supabase-js in a
-- browser, a service worker. There a number is a double, and 1161380288898609914 silently becomes …610000. So what is
-- kept for such readers has each number that a double does not hold as a string of its digits.

create function push.exact_numbers(p_json jsonb)
returns jsonb
language sql
immutable
set search_path = ''
-- The shortest text by which a double is found again, whatever the session says.
set extra_float_digits = 1
as $$
  -- By the pieces of its text, which knows no depth: a number, or strings and all else up to the next one. Up to 15 digits
  -- a double always holds, and whole numbers beyond 2^53 never for sure: so an id has one type, whatever its last digits are.
  select string_agg(case when n.is_held then p.piece else '"' || p.piece || '"' end, '' order by p.place)::jsonb
  from regexp_matches(p_json::text, '[-0-9.]+|(?:"(?:[^"\\]|\\.)*"|[^-"0-9])+', 'g') with ordinality as m (found, place)
  cross join lateral (select m.found[1] as piece, m.place) as p
  cross join lateral (
    select case
      when length(p.piece) < 16 or p.piece !~ '^[-0-9]' then true
      when abs(p.piece::numeric) between 5e-324 and 9007199254740991 then p.piece::float8::text::numeric = p.piece::numeric
      else p.piece::numeric = 0
    end as is_held
  ) as n;
$$;
comment on function push.exact_numbers(jsonb) is
  'JSON in which each number that a double does not hold (64-bit ids, decimals of more than some 16 digits) is a string of its digits.';
