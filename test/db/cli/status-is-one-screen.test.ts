import { expect, test } from 'vitest';
import { command } from '../../../src/cli/status.ts';
import { called } from '../../support/command.ts';
import { createTestDatabase, createUser } from '../../support/postgres.ts';
import { FCM, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const status = (...args: string[]) => called(command, '--database-url', db().url, ...args);

test('what waits, push services, pauses and jobs, and why it is not healthy', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  await sql`select push.notify(${user.id}::uuid, 'Hello')`;
  await sql`update push.hosts set last_success_at = now() - interval '3 minutes', last_error_at = now() - interval '5 hours',
    last_error = 'HTTP 500' where origin = ${FCM}`;
  await sql`select push.pause('wrong prices', p_category => ${null}, p_host => ${FCM})`;
  const { text, exitCode } = await status();
  expect(exitCode).toBe(1);
  const lines = text.split('\n');
  expect(lines[0]).toBe('Not healthy');
  expect(text).toMatch(/^ {2}paused {2}Paused since .*wrong prices/m);
  expect(text).toMatch(/^ {2}waiting {6}1\b/m);
  expect(text).toMatch(
    /^ {2}https:\/\/fcm\.googleapis\.com {2}ok {2}accepted 3 min ago {2}error 5 h ago: HTTP 500$/m,
  );
  expect(text).toMatch(
    /^ {2}https:\/\/fcm\.googleapis\.com {2}paused 0 s ago {2}1 waiting {2}wrong prices$/m,
  );
  expect(text).toMatch(/^ {2}supapush-tick +on +10 seconds$/m);
  expect(text).toMatch(/^ {2}supapush-quotes +unused /m);
  expect(lines.length).toBeLessThan(30);

  await sql`select cron.unschedule('supapush-clean')`;
  const { text: json } = await status('--json');
  expect(JSON.parse(json)).toMatchObject({
    healthy: false,
    waiting: 1,
    jobs: expect.arrayContaining([
      { name: 'supapush-clean', schedule: '* * * * *', state: 'missing' },
      { name: 'supapush-tick', schedule: '10 seconds', state: 'on' },
    ]),
  });
});

test('a healthy project is told so, exit code 0', async () => {
  const { sql } = db();
  await sql`select push.connect('https://abcdefghijklmnopqrst.supabase.co', repeat('x', 32))`;
  await sql`select push.resume(p_host => h.host) from push.pauses as h where h.resumed_at is null and h.host is not null`;
  await sql`
    insert into cron.job_run_details (jobid, runid, status, start_time)
    select jobid, 1, 'succeeded', now() from cron.job where jobname = 'supapush-tick'`;
  await sql`update push.alarms set resolved_at = now() where resolved_at is null`;
  const { text, exitCode } = await status();
  expect([text.split('\n')[0], exitCode]).toEqual(['Healthy', 0]);
});

test('a database without Supapush is told what to do', async () => {
  const empty = await createTestDatabase({ migrations: false });
  try {
    await expect(called(command, '--database-url', empty.url)).rejects.toThrow(/Run: npx supabase db push/);
  } finally {
    await empty.drop();
  }
});
