import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeBlocksOf, readCodeBlocks } from '../../support/code-blocks.ts';
import { createTestDatabase, createUser, type TestDatabase } from '../../support/postgres.ts';
import { PAGES_WITH_SQL, type PageWithSql } from './presupposed.ts';
import { runPage } from './run-page.ts';

const blocks = (await readCodeBlocks()).filter(({ language, outline }) => language === 'sql' && !outline);
let database: TestDatabase;
let userId: string;

beforeEach(async () => {
  database = await createTestDatabase();
  userId = (await createUser(database.sql)).id;
});
afterEach(() => database.drop());

test('every page with SQL, and no other, says what it presupposes and shows', () => {
  const pages = [...new Set(blocks.map(({ page }) => page))];
  expect(Object.keys(PAGES_WITH_SQL).sort()).toEqual(pages.sort());
});

for (const [page, presupposed] of Object.entries(PAGES_WITH_SQL)) {
  test(`the SQL of ${page} does what the page says`, async () => {
    const ofPage = blocks.filter((block) => block.page === page);
    expect(await runPage(database.sql, userId, ofPage, presupposed)).toEqual(presupposed.row);
  });
}

const PLANTED: PageWithSql = {
  before: 'create table public.deals (id integer, owner_id uuid)',
  shows: 'select 1 as one',
  row: { one: 1 },
};
const planted = (...lines: string[]) =>
  codeBlocksOf('docs/planted.md', ['```sql', ...lines, '```'].join('\n'));

test('a statement that fails is named by page and line', async () => {
  const page = planted('select 1;', '', '-- not there', `select push.notfy('<user id>', 'Hello');`);
  await expect(runPage(database.sql, userId, page, PLANTED)).rejects.toThrow(
    /^docs\/planted.md:5: .*push.notfy/,
  );
});

test('a declaration that fails only when a row changes is found as well', async () => {
  const page = planted(`select push.watch('planted', 'public.deals', 'new.owner_id', $$ 1 / 0 || 'x' $$);`);
  const running = runPage(database.sql, userId, page, {
    ...PLANTED,
    after: 'insert into public.deals values (1, :user)',
  });
  await expect(running).rejects.toThrow('division by zero');
});
