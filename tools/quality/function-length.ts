import { splitStatements } from '../local/postgres/split-statements.ts';
import { readSchema } from './schema/schema-files.ts';

const MAX_BODY_LINES = 100;
const FUNCTION = /\bcreate function ([\w.]+)\([\s\S]*?\bas (\$\w*\$)\n([\s\S]*?)\n\2/;

/** A function of the schema fits on a screen or two: what is longer is made of parts that have names. */
export async function checkFunctionLength(project: string): Promise<string[]> {
  const problems: string[] = [];
  for (const { path, text } of await readSchema(project)) {
    for (const statement of splitStatements(text)) {
      const [, name, , body] = FUNCTION.exec(statement.text) ?? [];
      if (!name || body === undefined) continue;
      const lines = body.split('\n').length;
      if (lines > MAX_BODY_LINES)
        problems.push(`schemas/${path}: ${name} has ${lines} lines, ${MAX_BODY_LINES} at most`);
    }
  }
  return problems;
}
