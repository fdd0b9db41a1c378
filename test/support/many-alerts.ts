import type postgres from 'postgres';

/** What the symbols of these alerts were quoted at when they were made; changes begin at 0. */
const QUOTED = 100;

/**
 * Inserts the recurring alerts that `rows` selects (user_id, symbol, condition, threshold, window_minutes, direction, level,
 * level_price, expires_at) as they stand at a first value of 100, or a change of 0.
 *
 * As superuser, because checking what each owner wrote is not what is looked at: triggers and foreign keys are off
 * meanwhile. How they stand is still said by `push.begin_alert()`, as their trigger says it.
 */
export async function insertManyAlerts(
  superuser: postgres.Sql,
  rows: postgres.PendingQuery<postgres.Row[]>,
): Promise<void> {
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`create temporary table many_alerts (like public.push_alerts including defaults) on commit drop`;
    await sql`
      insert into many_alerts (user_id, symbol, condition, threshold, window_minutes, direction, level, level_price, expires_at,
        level_condition, recurring)
      select r.user_id, r.symbol, r.condition, r.threshold, r.window_minutes, r.direction, r.level, r.level_price, r.expires_at,
        case when r.level is not null then 'crosses' end, true
      from (${rows}) as r`;
    await sql`
      insert into public.push_alerts
      select b.* from many_alerts as m
      cross join lateral push.begin_alert(
        row(m.*)::public.push_alerts, coalesce(m.threshold, m.level_price),
        case when m.window_minutes > 0 then 0 else ${QUOTED}::float8 end
      ) as b`;
  });
}
