import { expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import { useCrowd } from '../../support/crowd.ts';
import { claim, notify, plus, startOfClock } from '../../support/queue.ts';

const { db, report, user, users } = useCrowd();

test('twenty devices of one user that answer 410 raise no alarm and keep no dead device of others', async () => {
  const { sql } = db();
  const others = await users(30, 1);
  const one = await user(20);
  await notify(sql, one);
  const now = plus(startOfClock(), 3600);
  await report(await claim(sql, now), now, () => ({
    outcome: 'gone',
    status: 410,
    code: 'subscription_gone',
  }));
  expect(await openAlarms(sql)).toEqual([]);
  const dead = others[0] as string;
  await notify(sql, dead);
  const later = plus(now, 60);
  await report(await claim(sql, later), later, () => ({
    outcome: 'gone',
    status: 410,
    code: 'subscription_gone',
  }));
  expect(await sql`select from public.push_subscriptions where user_id = ${dead}`).toHaveLength(0);
});
