import postgres from 'postgres';
import { expect, test } from 'vitest';
import { course, MORNING, makeAlert, readAlert, toldByAlerts } from '../../support/alerts.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

test('an alert that cannot be evaluated is switched off, and the others fire', async () => {
  const { sql, superuserUrl } = db();
  const alerts: string[] = [];
  for (const threshold of [10, 11, 12, 13, 14, 15, 16])
    alerts.push(await makeAlert(sql, { threshold, cooldown: '1 minute' }));
  const bad = alerts[3] as string;
  expect(await course(sql, [1, 99, 1])).toEqual([0, 7, 0]);

  // What no user can write: a state that the evaluation stumbles over.
  const superuser = postgres(superuserUrl, { max: 1, onnotice: () => undefined });
  await superuser`alter table public.push_alerts drop constraint push_alerts_cooldown`;
  await superuser`set session_replication_role = replica`;
  await superuser`
    update public.push_alerts set cooldown = '60000000 months -1799999900 days'::interval where id = ${bad}`;
  await superuser.end();

  const later = new Date(MORNING.getTime() + 3_600_000);
  expect(await course(sql, [99], { start: later })).toEqual([6]);
  expect(await toldByAlerts(sql)).toHaveLength(13);
  expect([...(await sql`select value from public.push_quotes`)]).toEqual([{ value: 99 }]);
  expect(await readAlert(sql, bad)).toMatchObject({
    enabled: false,
    armed: false,
    times_fired: 1,
    disabled_reason: 'failed',
    upper_line: null,
    lower_line: null,
  });
  const alarms = () => sql`select code, resolved_at is null as open, message from push.alarms`;
  expect(await alarms()).toEqual([
    {
      code: 'alert_failed',
      open: true,
      message: expect.stringContaining(`Alert ${bad} could not be evaluated`),
    },
  ]);
  await sql`select push.tick_alerts(10000, ${new Date(Date.now() + 3_700_000)})`;
  expect(await alarms()).toMatchObject([{ open: false }]);
});
