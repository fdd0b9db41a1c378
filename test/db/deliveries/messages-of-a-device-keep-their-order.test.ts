import { expect, test } from 'vitest';
import { SENT, useCrowd } from '../../support/crowd.ts';
import { claim, notify, plus, startOfClock } from '../../support/queue.ts';

const { db, report, user } = useCrowd();

test('of a burst to one user, each device gets the older message first', async () => {
  const { sql } = db();
  const one = await user(20, false);
  for (let n = 0; n < 20; n++) await notify(sql, one, { title: String(n).padStart(4, '0') });
  const start = startOfClock();
  const last = new Map<string, string>();
  let late = 0;
  let sent = 0;
  for (let look = 0; sent < 400; look++) {
    const claimed = await claim(sql, plus(start, look / 10));
    for (const { endpoint, title } of claimed) {
      const before = last.get(endpoint as string) ?? '';
      if (before > title) late++;
      else last.set(endpoint as string, title);
    }
    sent += claimed.length;
    await report(claimed, plus(start, look / 10), () => SENT);
  }
  expect(late).toBe(0);
});
