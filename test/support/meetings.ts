import type postgres from 'postgres';
import { expect } from 'vitest';
import { asUser } from './postgres.ts';
import { createSubscription } from './subscriptions.ts';

export type Work = (sql: postgres.TransactionSql) => PromiseLike<unknown>;
export type Rows = Record<string, unknown>[];

/** What a client is told: ok, or the SQLSTATE and, of ours, the code. */
async function answer(sql: postgres.Sql, userId: string, work: Work): Promise<string> {
  try {
    await asUser(sql, userId, (t) => work(t) as Promise<unknown>);
    return 'ok';
  } catch (error) {
    const { code, detail } = error as { code: string; detail?: string };
    return code.startsWith('PT') ? `${code} ${detail}` : code;
  }
}

/** Has users do something at once, made anew for each of the rounds; every answer there was, once. */
export async function meet(
  sql: postgres.Sql,
  scenario: () => Promise<[userId: string, work: Work][]>,
  rounds = 15,
): Promise<Set<string>> {
  const answers = new Set<string>();
  for (let round = 0; round < rounds; round += 1) {
    const sides = await scenario();
    for (const one of await Promise.all(sides.map(([userId, work]) => answer(sql, userId, work))))
      answers.add(one);
  }
  return answers;
}

/** Success, or that another session was faster; never what Postgres says of a deadlock or of a key that is taken. */
export function expectClear(answers: Set<string>, ...more: string[]): void {
  for (const one of answers) expect(['ok', 'PT409 device_busy', ...more]).toContain(one);
  expect(answers).toContain('ok');
}

/** Registers devices in one statement, as supabase-js upserts an array. */
export function upsert(rows: Rows, key = 'endpoint'): Work {
  return (t) => {
    const sets = Object.keys(rows[0] ?? {}).map((column) => `${column} = excluded.${column}`);
    return t`
      insert into public.push_subscriptions ${t(rows as never)}
      on conflict (${t(key)}) do update set ${t.unsafe(sets.join(', '))}`;
  };
}

export const devices = (count: number): Rows =>
  Array.from({ length: count }, () => ({ ...createSubscription() }));
