/** What a piece of SQL is made of: comments go, and texts are kept to be looked into. */
const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$([\s\S]*?)\$\1\$|'((?:[^']|'')*)'|"(?:[^"]|"")*"|\w+|[();]|[^\s]/g;

/** After one of these, or at the beginning, a word begins a statement; anywhere else, `update` is a lock, an event or a right. */
const BEFORE_STATEMENT = /^(;|\(|\)|then|else|begin|loop|query|do nothing|explain|execute)$/;

/**
 * The updates and deletes without a condition in a piece of SQL, in bodies of functions and in texts that are executed too: what
 * the extension safeupdate refuses (21000), which the Data API loads.
 */
export function unfilteredWrites(sql: string): string[] {
  const tokens: { text: string; at: number; end: number }[] = [];
  const found: string[] = [];
  for (const match of sql.matchAll(TOKEN)) {
    const [text, , body, literal] = match;
    if (/^(--|\/\*)/.test(text)) continue;
    const inner = body ?? literal?.replaceAll("''", "'");
    if (inner !== undefined) found.push(...unfilteredWrites(inner));
    tokens.push({ text: text.toLowerCase(), at: match.index, end: match.index + text.length });
  }
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1]?.text;
    if (before !== undefined && !BEFORE_STATEMENT.test(before)) continue;
    const kind = token.text;
    if (!(kind === 'update' || (kind === 'delete' && tokens[index + 1]?.text === 'from'))) continue;
    const words = new Set<string>();
    let depth = 0;
    let end = token.end;
    for (const next of tokens.slice(index + 1)) {
      if (next.text === '(') depth += 1;
      if (next.text === ')') depth -= 1;
      if (depth < 0 || (depth === 0 && next.text === ';')) break;
      if (depth === 0) words.add(next.text);
      end = next.end;
    }
    // A sentence may begin with "Update" as well.
    if (kind === 'update' && !words.has('set')) continue;
    if (!words.has('where')) found.push(sql.slice(token.at, end));
  }
  return found;
}
