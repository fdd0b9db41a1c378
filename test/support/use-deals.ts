import { beforeAll, beforeEach } from 'vitest';
import { createUser, type TestDatabase } from './postgres.ts';
import { clearQueue } from './queue.ts';
import { createDeals, emptyDeals, removeRules } from './rules.ts';
import { useDatabase } from './use-database.ts';

export interface Deals {
  db(): TestDatabase;
  /** Two users, new for each test. */
  owner(): string;
  other(): string;
}

/** A database with a table public.deals to watch; each test starts without deals, rules and notifications. */
export function useDeals(): Deals {
  const db = useDatabase();
  let owner = '';
  let other = '';
  beforeAll(() => createDeals(db().sql));
  beforeEach(async () => {
    const { sql } = db();
    await removeRules(sql);
    await emptyDeals(sql);
    await clearQueue(sql);
    owner = (await createUser(sql)).id;
    other = (await createUser(sql)).id;
  });
  return { db, owner: () => owner, other: () => other };
}
