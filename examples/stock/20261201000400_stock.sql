-- Stock: products, and an alert for users who want to know when one runs low.

create table public.products (
  sku text not null,
  name text not null,
  stock integer not null default 0,
  constraint products_pkey primary key (sku),
  -- As part of an alert's symbol it has no colon, space or brace.
  constraint products_sku check (sku ~ '^[A-Za-z0-9._-]{1,40}$'),
  constraint products_name check (octet_length(name) between 1 and 200),
  constraint products_stock check (stock >= 0)
);
comment on table public.products is 'What is in stock. The shop''s server writes it; every user who is signed in may read it.';

-- access -------------------------------------------------------------------------------------------------------

alter table public.products enable row level security;
create policy products_select on public.products for select to authenticated using (true);

revoke all on public.products from anon, authenticated, service_role;
grant select on public.products to authenticated;
grant select, insert, update, delete on public.products to service_role;

-- alerts -------------------------------------------------------------------------------------------------------

create function public.quote_stock()
returns trigger
language plpgsql
-- Definer: a user who sells something has no access to schema push.
security definer
set search_path = ''
as $$
begin
  perform push.record_quote('stock:' || new.sku, new.stock);
  return null;
end;
$$;
comment on function public.quote_stock() is 'Makes the stock of a product a value that alerts watch: stock:SKU-7.';

create trigger products_quote_new
after insert on public.products
for each row execute function public.quote_stock();

create trigger products_quote_changed
after update on public.products
for each row when (new.stock is distinct from old.stock) execute function public.quote_stock();

create function public.watch_stock(p_sku text, p_below integer)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_user uuid := auth.uid();
  v_product public.products;
  v_alert uuid;
begin
  if v_user is null then
    raise exception using errcode = '42501', message = 'Sign in to watch the stock.';
  end if;
  select p.* into v_product from public.products as p where p.sku = p_sku;
  if not found then
    raise exception using errcode = 'no_data_found', message = format('There is no product %s.', p_sku);
  end if;
  insert into public.push_alerts (user_id, symbol, condition, threshold, recurring, hysteresis, setup, title, body)
  values (
    v_user, 'stock:' || v_product.sku, 'below', p_below, true, 5, v_product.name,
    '📦 {{setup}} is running low', '{{current_price}} left. You wanted to know at {{level_price}}.'
  )
  returning id into v_alert;
  return v_alert;
end;
$$;
comment on function public.watch_stock(text, integer) is
  'Tells the caller when a product''s stock gets to this number or below, and again after it was refilled by more than 5 above it.';

revoke all on function public.quote_stock() from public, anon, authenticated, service_role;
revoke all on function public.watch_stock(text, integer) from public, anon, service_role;
grant execute on function public.watch_stock(text, integer) to authenticated;
