import postgres from 'postgres';
import { beforeEach, describe, expect, inject, test } from 'vitest';
import { BELL_SECRET, openAlarms, PROJECT_URL } from '../../support/bell.ts';
import { createTestDatabase, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify, plus, startOfClock } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let userId: string;
let now: Date;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`delete from push.project`;
  userId = (await createUser(sql)).id;
  await subscribe(sql, userId);
  now = startOfClock();
});

describe('a copy that Postgres itself made', () => {
  /** Copies the database of this file as `create database … template` does, and works in the copy. */
  async function inACopy(work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
    const original = await createTestDatabase();
    const copy = `${original.name}_copy`;
    const admin = postgres(inject('postgres').superuserUrl, { max: 1, onnotice: () => {} });
    try {
      const { sql } = original;
      await sql`select push.connect('https://push.example.com', ${BELL_SECRET})`;
      await claim(sql, now, { project: 'http://kong:8000' });
      const { id } = await createUser(sql);
      await subscribe(sql, id);
      await notify(sql, id);
      await sql.end();
      await admin`create database ${admin(copy)} template ${admin(original.name)} owner postgres`;
      const url = new URL(original.url);
      url.pathname = `/${copy}`;
      const inside = postgres(url.href, { max: 1, onnotice: () => {} });
      await work(inside).finally(() => inside.end());
    } finally {
      await admin`drop database if exists ${admin(copy)} with (force)`;
      await admin.end();
      await original.drop();
    }
  }

  test('is held where the function cannot tell: an older one, or one with a name of its own network', async () => {
    await inACopy(async (sql) => {
      for (const project of [null, 'http://kong:8000']) {
        expect(await claim(sql, plus(now, 1), { project })).toEqual([]);
        expect(await openAlarms(sql)).toEqual(['copied_project']);
      }
      await sql`select push.adopt()`;
      expect(await claim(sql, plus(now, 2), { project: 'http://kong:8000' })).toHaveLength(1);
      expect(await openAlarms(sql)).toEqual([]);
    });
  });

  test('is none where the function knows better: a project gets another server when it is upgraded', async () => {
    await inACopy(async (sql) => {
      await sql`update push.project set function_url = ${PROJECT_URL}`;
      expect(await claim(sql, plus(now, 1), { project: PROJECT_URL })).toHaveLength(1);
      expect(await openAlarms(sql)).toEqual([]);
    });
  });
});
