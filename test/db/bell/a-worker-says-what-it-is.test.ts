import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';
import { heartbeat } from '../../support/workers.ts';

const db = useDatabase();

test('a name of a hundred letters is one, whatever the letters', async () => {
  const { sql } = db();
  const worker = randomUUID();
  await heartbeat(sql, { worker, name: '\u{1F600}'.repeat(101) });
  expect(await sql`select name from push.workers where id = ${worker}`).toEqual([
    { name: '\u{1F600}'.repeat(100) },
  ]);
});

test('a release that is none is refused', async () => {
  const { sql } = db();
  expect((await refusalOf(heartbeat(sql, { version: 'the newest' }))).sqlstate).toBe('23514');
});
