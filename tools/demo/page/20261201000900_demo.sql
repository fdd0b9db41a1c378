-- What the demo page needs beside the example of a CRM: a team that each new user joins, values to change, and a
-- look at what became of one's messages. It is for a database to play with, and for no other.

insert into public.organisations (name) values ('Acme');

create function public.demo_welcome()
returns trigger
language plpgsql
-- Definer: a user who signs up has no rights yet.
security definer
set search_path = ''
as $$
begin
  insert into public.organisation_members (organisation_id, user_id)
  select o.id, new.id from public.organisations as o where o.name = 'Acme';
  insert into public.deals (organisation_id, name, stage, owner_id)
  select o.id, d.name, d.stage, new.id
  from public.organisations as o, (values ('Rocket', 'new'), ('Submarine', 'offered'), ('Bicycle', 'new')) as d (name, stage)
  where o.name = 'Acme';
  return new;
end;
$$;
comment on function public.demo_welcome() is 'Adds each user who signs up to the team, with three deals.';
revoke all on function public.demo_welcome() from public, anon, authenticated;
create trigger demo_welcome after insert on auth.users for each row execute function public.demo_welcome();

insert into public.push_categories (key, title, description) values
  ('crm', 'Deals and contacts', 'When one of your deals or contacts changes.'),
  ('alerts', 'Alerts', 'When a value reaches your threshold.');
insert into public.push_topics (key, title, description) values
  ('news', 'Product news', 'About once a month.');
select public.push_record_quotes('[{"symbol": "DAX", "value": 18000}, {"symbol": "BTC", "value": 64000}]');
insert into public.push_levels (symbol, level, value) values ('DAX', 'yesterday_high', 18120), ('DAX', 'yesterday_low', 17850);

create function public.demo_set_quote(p_symbol text, p_value double precision)
returns void
language sql
-- Definer: only the service may write quotes. In the demo every user may.
security definer
set search_path = ''
as $$
  select public.push_record_quotes(jsonb_build_array(jsonb_build_object('symbol', p_symbol, 'value', p_value)));
$$;
comment on function public.demo_set_quote(text, double precision) is 'Makes a quote, as a source of quotes would.';
revoke all on function public.demo_set_quote(text, double precision) from public, anon, authenticated;
grant execute on function public.demo_set_quote(text, double precision) to authenticated;

create function public.demo_messages()
returns table (id uuid, title text, send_at timestamptz, devices bigint, sent bigint, displayed bigint, clicked bigint, why text)
language sql
stable
-- Definer: what became of deliveries is for operators. The caller sees that of the own messages.
security definer
set search_path = ''
as $$
  select n.id, n.title, n.send_at, count(d.id), count(d.id) filter (where d.state = 'sent'),
    count(s.delivery_id), count(c.delivery_id), max(d.last_code) filter (where d.state <> 'sent')
  from (
    select m.* from public.push_notifications as m where m.user_id = auth.uid() order by m.send_at desc limit 6
  ) as n
  left join push.deliveries as d on d.notification_id = n.id
  left join push.receipts as s on s.delivery_id = d.id and s.event = 'displayed'
  left join push.receipts as c on c.delivery_id = d.id and c.event = 'clicked'
  group by n.id, n.title, n.send_at
  order by n.send_at desc;
$$;
comment on function public.demo_messages() is 'The caller''s newest messages: how many devices they were for, and what these said.';
revoke all on function public.demo_messages() from public, anon, authenticated;
grant execute on function public.demo_messages() to authenticated;
