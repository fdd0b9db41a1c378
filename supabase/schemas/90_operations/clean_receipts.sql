-- Receipts go once the log has lost their delivery.

create function push.clean_receipts(p_limit integer, p_before timestamptz)
returns bigint
language plpgsql
set search_path = ''
-- By key, however small the planner believes these tables to be.
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set jit = off
as $$
declare
  v_from bigint;
  v_next bigint;
  v_old bigint;
  v_count bigint;
begin
  select c.next_receipt into v_from from push.cleaning as c;
  with page as materialized (
    select w.*, row_number() over (order by w.delivery_id, w.event) as place
    from (
      select r.delivery_id, r.event, r.recorded_at from push.receipts as r
      where r.delivery_id >= v_from order by r.delivery_id, r.event limit p_limit + 1
    ) as w
  ), old as materialized (
    select p.delivery_id, p.event, p.recorded_at from page as p where p.place <= p_limit and p.recorded_at <= p_before
  ), deleted as (
    delete from push.receipts as r
    where (r.delivery_id, r.event) in (
      select o.delivery_id, o.event from old as o
      -- As long as the log has the delivery, its hour may be counted again. The log keeps none for more than a week longer.
      where o.recorded_at <= p_before - interval '8 days' or not exists (
        select from push.delivery_log as l
        where l.id = o.delivery_id and (l.id >> 22) / 604800 % 8 = (o.delivery_id >> 22) / 604800 % 8 offset 0
      )
    )
    returning 1
  )
  select (select greatest(p.delivery_id, v_from + 1) from page as p where p.place > p_limit), (select count(*) from old),
    (select count(*) from deleted)
  into v_next, v_old, v_count;
  -- Ids grow with time: behind a page without an old one there is hardly another.
  update push.cleaning as c set next_receipt = case when v_old > 0 then coalesce(v_next, 0) else 0 end where c.id;
  return v_count;
end;
$$;
comment on function push.clean_receipts(integer, timestamptz) is
  'Looks at the next p_limit receipts, and removes those that were recorded until p_before and whose delivery is not in the log any more; '
  'returns how many.';
