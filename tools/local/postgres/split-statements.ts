/** One statement of a script: its text without the closing semicolon, and where in the script it starts. */
export interface Statement {
  text: string;
  /** Index of its first character in the script. */
  offset: number;
  /** Index of the first character that is no comment, where there is one. */
  codeOffset: number;
}

// In order of precedence. Words are taken whole so that `a$b$c` opens no dollar quote and `be'x'` no escape string.
const TOKEN =
  /--[^\n]*|\/\*|[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'[^']*'|"[^"]*"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[\s\S]/y;

/**
 * Splits a script into its statements at the semicolons that Postgres would (psql's lexical rules): not inside
 * strings, quoted names, dollar quotes, nested comments, or the body of a `begin atomic` function. Comments stay with
 * the statement that follows; one at the very end is a statement of its own, as the Supabase CLI counts.
 */
export function splitStatements(script: string): Statement[] {
  const statements: Statement[] = [];
  let start = 0;
  let codeStart = -1;
  let previousWord = '';
  let depth = 0;
  const close = (end: number): void => {
    const raw = script.slice(start, end);
    const text = raw.trim();
    const offset = start + (raw.length - raw.trimStart().length);
    if (text) statements.push({ text, offset, codeOffset: codeStart < 0 ? offset : codeStart });
    codeStart = -1;
  };
  for (let position = 0; position < script.length; ) {
    TOKEN.lastIndex = position;
    const token = TOKEN.exec(script)?.[0] ?? '';
    if (token === '/*') {
      position = endOfComment(script, position);
      continue;
    }
    const isDollarQuote = token.length > 1 && token.startsWith('$');
    const end = isDollarQuote ? endOfDollarQuote(script, position, token) : position + token.length;
    if (token === ';' && depth === 0) {
      close(position);
      start = end;
      previousWord = '';
    } else if (!token.startsWith('--') && token.trim() !== '') {
      if (codeStart < 0) codeStart = position;
      const word = token.toLowerCase();
      if (word === 'atomic' && previousWord === 'begin') depth = 1;
      else if (depth > 0 && word === 'case') depth += 1;
      else if (depth > 0 && word === 'end') depth -= 1;
      previousWord = word;
    }
    position = end;
  }
  close(script.length);
  return statements;
}

function endOfDollarQuote(script: string, position: number, tag: string): number {
  const close = script.indexOf(tag, position + tag.length);
  return close < 0 ? script.length : close + tag.length;
}

/** Comments nest in SQL. */
function endOfComment(script: string, position: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = position;
  let depth = 0;
  for (let match = edge.exec(script); match; match = edge.exec(script)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return script.length;
}
