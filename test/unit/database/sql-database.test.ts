import type postgres from 'postgres';
import { expect, test } from 'vitest';
import { arrayText, createSqlDatabase } from '../../../src/server/database/sql-database.ts';

/** A pool whose statements are answered by `answer`. */
function pool(answer: () => Promise<object[]>): { sql: postgres.Sql; ends: () => number } {
  let ends = 0;
  const sql = Object.assign(answer, {
    end: async () => {
      ends += 1;
    },
  });
  return { sql: sql as unknown as postgres.Sql, ends: () => ends };
}

test('a statement that is not answered in time fails, and the next one has new connections', async () => {
  const silent = pool(() => new Promise(() => {}));
  const answering = pool(async () => [{ one: 1 }]);
  const pools = [silent, answering];
  const database = createSqlDatabase(() => (pools.shift() as typeof silent).sql, 20);
  const ask = () => database.first('push_claim', (sql) => sql<{ one: number }[]>`select 1 as one`);
  const both = await Promise.allSettled([ask(), ask()]);
  for (const result of both) {
    expect(result).toMatchObject({
      status: 'rejected',
      reason: { code: 'queue_unreachable', message: 'push_claim failed: no answer within 0.02 s' },
    });
  }
  expect(silent.ends(), 'given up once').toBe(1);
  expect(await ask()).toEqual({ one: 1 });
  await database.close();
  expect(answering.ends()).toBe(1);
});

test('an error keeps what the driver threw, by which its kind is known', async () => {
  const refused = Object.assign(new Error('permission denied for function push_claim'), { code: '42501' });
  const database = createSqlDatabase(() => pool(() => Promise.reject(refused)).sql);
  await expect(database.first('push_claim', (sql) => sql`select 1`)).rejects.toMatchObject({
    message: 'push_claim failed: 42501 permission denied for function push_claim',
    cause: refused,
  });
});

test('a host of which no address answers is named in words', async () => {
  const nowhere = new AggregateError(
    [new Error('connect ECONNREFUSED ::1'), new Error('connect ETIMEDOUT')],
    '',
  );
  const database = createSqlDatabase(() => pool(() => Promise.reject(nowhere)).sql);
  await expect(database.first('push_claim', (sql) => sql`select 1`)).rejects.toThrow(
    'push_claim failed: connect ECONNREFUSED ::1; connect ETIMEDOUT',
  );
});

test('arrays are written as Postgres reads them', () => {
  expect(arrayText([])).toBe('{}');
  expect(arrayText([1, 2])).toBe('{"1","2"}');
  expect(arrayText(['https://a.example', 'a "b", \\c'])).toBe('{"https://a.example","a \\"b\\", \\\\c"}');
});
