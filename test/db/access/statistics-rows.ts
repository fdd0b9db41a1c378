import type postgres from 'postgres';
import type { RowOf } from './table-rows.ts';

/** Rows of the tables of statistics. */
export const STATISTICS_ROWS: Record<string, RowOf> = {
  'push.statistics': {
    key: 'bucket',
    change: `cells = '{}'`,
    row: () => ({ every: 'day', bucket: new Date(), cells: '{}', counted_at: new Date() }),
  },
  'push.statistic_labels': { key: 'id', change: `outcome = 'sent'`, row: () => ({ cube: 'services' }) },
  'push.statistics_progress': { key: 'id', change: 'counted_until = now()', row: () => ({ id: true }) },
  'push.statistics_recounts': {
    key: 'id',
    change: 'bucket = now()',
    row: () => ({ bucket: new Date(), marked_at: new Date() }),
  },
};

/** Makes a row in each of them that has none. */
export async function prepareStatistics(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into push.statistic_labels (cube, channel, service, outcome, code, sent_within, category, template, rule, topic)
    values ('services', 'webpush', 'other', 'sent', '', 1, '', '', '', '')`;
  await sql`insert into push.statistics (every, bucket, cells, counted_at) values ('day', now(), '{}', now())`;
  await sql`insert into push.statistics_recounts (bucket, marked_at) values (now(), now())`;
}
