import { beforeAll, beforeEach } from 'vitest';
import { applyExample } from '../../tools/demo/apply-example.ts';
import { createUser, type TestDatabase } from './postgres.ts';
import { useDatabase } from './use-database.ts';

/** Who has heard what since the test began, by name; a topic stands as `#key`. */
export type Heard = Record<string, string[]>;

export interface Example<Name extends string> {
  db(): TestDatabase;
  /** The ids of users of these names, new for each test. */
  users(): Record<Name, string>;
  heard(): Promise<Heard>;
}

/** A database with the migration of `examples/<example>/`; each test starts with new users and without messages. */
export function useExample<Name extends string>(example: string, names: readonly Name[]): Example<Name> {
  const db = useDatabase();
  let users: Record<Name, string>;
  beforeAll(() => applyExample(db().url, example));
  beforeEach(async () => {
    const { sql } = db();
    await sql`delete from public.push_notifications`;
    await sql`delete from push.rule_errors`;
    users = {} as Record<Name, string>;
    for (const name of names) users[name] = (await createUser(sql)).id;
  });
  return {
    db,
    users: () => users,
    async heard() {
      const rows = await db().sql<
        { user_id: string | null; audience_topic: string | null; title: string; body: string | null }[]
      >`
        select user_id, audience_topic, title, body from public.push_notifications order by created_at, id`;
      const nameOf = new Map(Object.entries<string>(users).map(([name, id]) => [id, name]));
      const heard: Heard = {};
      for (const { user_id, audience_topic, title, body } of rows) {
        const name = user_id === null ? `#${audience_topic}` : (nameOf.get(user_id) ?? 'a stranger');
        heard[name] = [...(heard[name] ?? []), body === null ? title : `${title} / ${body}`];
      }
      return heard;
    },
  };
}
