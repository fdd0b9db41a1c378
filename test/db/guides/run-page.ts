import type postgres from 'postgres';
import { splitStatements } from '../../../tools/local/postgres/split-statements.ts';
import type { CodeBlock } from '../../support/code-blocks.ts';
import type { PageWithSql } from './presupposed.ts';

/** Runs the SQL of a page as its reader would, the owner of the database; resolves with the row that `shows` finds. */
export async function runPage(
  sql: postgres.Sql,
  userId: string,
  blocks: readonly CodeBlock[],
  { before = '', around, after = '', shows }: PageWithSql,
): Promise<Record<string, unknown>> {
  const own = (text: string) => text.replaceAll(':user', `'${userId}'`);
  await sql.unsafe(own(before)).simple();
  for (const { page, line, text } of blocks) {
    const fragments = around && text.startsWith(around.start) ? text.trim().split('\n') : undefined;
    const statements = fragments
      ? fragments.map((fragment, index) => ({
          text: (around as { statement: string }).statement.replaceAll(':line', () => fragment),
          at: line + index,
        }))
      : splitStatements(text).map((statement) => ({
          text: statement.text,
          at: line + text.slice(0, statement.codeOffset).split('\n').length - 1,
        }));
    for (const { text: statement, at } of statements) {
      const [latest] =
        await sql`select id from public.push_notifications order by created_at desc, id limit 1`;
      const filled = statement
        .replaceAll('<user id>', userId)
        .replaceAll('<notification id>', latest?.id ?? '<no notification yet>');
      await sql.unsafe(filled).catch((error: Error) => {
        throw new Error(`${page}:${at}: ${error.message}`, { cause: error });
      });
    }
  }
  await sql.unsafe(own(after)).simple();
  const errors =
    await sql`select rule, message from push.rule_errors union all select reminder, message from push.reminder_errors`;
  if (errors.length > 0) throw new Error(`${blocks[0]?.page}: ${JSON.stringify(errors)}`);
  const rows = await sql.unsafe(own(shows));
  if (rows.length !== 1) throw new Error(`${blocks[0]?.page}: ${rows.length} rows instead of one`);
  return { ...rows[0] };
}
