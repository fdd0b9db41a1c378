import type { ClientContext } from './client-context.ts';
import { withTimezone } from './preferences.ts';
import type { Alert, PushAlerts, Quote } from './push-client.ts';
import { fromRow, toRow } from './rows.ts';

const COLUMNS =
  'id, symbol, condition, threshold, window_minutes, direction, level, level_condition, hysteresis, hysteresis_unit, ' +
  'cooldown, recurring, expires_at, active_from, active_until, timezone, setup, title, body, urgency, enabled, armed, ' +
  'last_side, level_price, last_fired_at, times_fired, held_back, disabled_reason, created_at, updated_at';

/** What users want to be told of a value: rows of `push_alerts`; values are those of `push_quotes`. */
export function createAlerts({ project }: ClientContext): PushAlerts {
  const table = () => project.from('push_alerts');
  return {
    list: async () => (await project.list('push_alerts', COLUMNS, '-created_at', 'id')).map(fromRow<Alert>),
    create: async (alert) =>
      fromRow<Alert>(
        await withTimezone(alert, (values) =>
          project.data(table().insert(toRow(values)).select(COLUMNS).single()),
        ),
      ),
    update: async (id, changes) =>
      fromRow<Alert>(
        await withTimezone(changes, (values) =>
          project.data(table().update(toRow(values)).eq('id', id).select(COLUMNS).single()),
        ),
      ),
    delete: async (id) => void (await project.data(table().delete().eq('id', id))),
    async quote(symbol) {
      const row = await project.data(
        project
          .from('push_quotes')
          .select('symbol, value, quoted_at, source')
          .eq('symbol', symbol)
          .maybeSingle(),
      );
      return row ? fromRow<Quote>(row) : null;
    },
  };
}
