import postgres from 'postgres';
import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import type {} from '../pages/app.ts';
import { createDealsApp } from './deals.ts';

export interface SubscriptionRow {
  id: string;
  user_id: string;
  endpoint: string;
  vapid_key: string;
}

/** What tests of the SDK do with the app's page, and look for in the database. */
export interface AppHandle {
  sql(): postgres.Sql;
  /** Signs a new user up in the page; returns their user id. */
  signUp(page: Page, name: string): Promise<string>;
  /** Makes this browser a device of the signed-in user, and returns its row. */
  subscribe(page: Page): Promise<SubscriptionRow>;
  devicesOf(userId: string): Promise<SubscriptionRow[]>;
  notify(userId: string, title: string): Promise<void>;
  /** What devices reported of a user's messages, by title, once it is at least as much. */
  receipts(userId: string, count: number): Promise<{ title: string; event: string }[]>;
}

/** The database of a file's tests, with the app's table in it. */
export function useApp(stack: () => Stack): AppHandle {
  let connection: postgres.Sql | undefined;
  let people = 0;

  const sql = (): postgres.Sql => {
    if (!connection) throw new Error('the database is there during the tests only');
    return connection;
  };
  beforeAll(async () => {
    connection = postgres(stack().databaseUrl, { max: 2, onnotice: () => {} });
    await createDealsApp(connection);
  });
  afterAll(() => connection?.end());

  const devicesOf = async (userId: string): Promise<SubscriptionRow[]> => [
    ...(await sql()<SubscriptionRow[]>`
      select id, user_id, endpoint, vapid_key from public.push_subscriptions where user_id = ${userId}`),
  ];

  return {
    sql,
    devicesOf,
    signUp: (page, name) =>
      page.evaluate(async (email) => (await appReady).signUp(email), `${name}-${++people}@example.com`),
    async subscribe(page) {
      const { id } = await page.evaluate(async () => (await appReady).push.subscribe());
      const [row] = await sql()<SubscriptionRow[]>`
        select id, user_id, endpoint, vapid_key from public.push_subscriptions where id = ${id}`;
      return row as SubscriptionRow;
    },
    async notify(userId, title) {
      await sql()`select push.notify(${userId}, ${title})`;
    },
    receipts: (userId, count) =>
      eventually(
        async () => [
          ...(await sql()<{ title: string; event: string }[]>`
            select n.title, r.event
            from push.receipts as r
            join push.deliveries as d on d.id = r.delivery_id
            join public.push_notifications as n on n.id = d.notification_id
            where n.user_id = ${userId}
            order by n.title, r.event`),
        ],
        ({ length }) => length >= count,
        20_000,
      ),
  };
}
