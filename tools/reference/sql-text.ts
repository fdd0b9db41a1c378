const TOKEN = /--[^\n]*|'(?:[^']|'')*'|\|\||[(),;]|[^'(),;|-]+|[\s\S]/g;

/** What commas part at the beginning of `text`, up to the parenthesis or semicolon that ends the call or statement. */
export function argumentsOf(text: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token.startsWith('--')) continue;
    if ((token === ')' || token === ';') && depth === 0) break;
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (token === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += token;
  }
  return parts.map((part) => part.trim());
}

const UNKNOWN = '…';

/** What an SQL expression says: its literals, with `…` for what is only known when it is evaluated. */
export function textOf(expression: string): string {
  return concatenated(expression).map(partOf).join('').replace(/…+/g, UNKNOWN);
}

function partOf(expression: string): string {
  const literals = [...expression.matchAll(/'((?:[^']|'')*)'/g)].map(([, text = '']) =>
    text.replaceAll("''", "'"),
  );
  // Literals that only a line break parts are one.
  if (/^(?:'(?:[^']|'')*'\s*)+$/.test(expression)) return literals.join('');
  const [, name, rest = ''] = /^(?:pg_catalog\.)?(\w+)\(([\s\S]*)$/.exec(expression) ?? [];
  if (name === 'format') {
    const [template = ''] = argumentsOf(rest);
    return textOf(template)
      .replace(/%[sIL]/g, UNKNOWN)
      .replaceAll('%%', '%');
  }
  if (name === 'coalesce')
    return (
      argumentsOf(rest)
        .map(textOf)
        .find((text) => text !== UNKNOWN) ?? UNKNOWN
    );
  if (/^case\b/.test(expression)) {
    const ends = [...expression.matchAll(/\b(?:then|else)\s+(format\(\s*)?'((?:[^']|'')*)'/g)];
    const texts = ends.map(([, isFormat, text = '']) =>
      isFormat === undefined ? text.replaceAll("''", "'") : textOf(`format('${text}')`),
    );
    if (texts.length > 0) return texts.join(' / ');
  }
  return UNKNOWN;
}

/** The operands of `||` that stand in no parentheses. */
function concatenated(expression: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const [token] of expression.matchAll(TOKEN)) {
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (token === '||' && depth === 0) parts.push('');
    else parts[parts.length - 1] += token;
  }
  return parts.map((part) => part.trim());
}
