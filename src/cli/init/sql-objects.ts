/** Something that SQL makes: `public.push_quotes` of kind relation or function, or a schema. */
export interface SqlObject {
  kind: 'schema' | 'relation' | 'function';
  /** As it is written where it is made: `table`, `view`, `type`. */
  word: string;
  name: string;
}

const IDENTIFIER = '(?:"[^"]+"|[a-z_][\\w$]*)';
const NAME = `${IDENTIFIER}(?:\\s*\\.\\s*${IDENTIFIER})?`;
const WORDS = 'table|view|sequence|type|domain|function|procedure|schema';
const STATEMENT = new RegExp(
  [
    `\\bcreate\\s+(?:or\\s+replace\\s+|unlogged\\s+|materialized\\s+|recursive\\s+)*(?<created>${WORDS})\\s+(?:if\\s+not\\s+exists\\s+)?(?<name>${NAME})`,
    `\\bdrop\\s+(?:materialized\\s+)?(?<dropped>${WORDS})\\s+(?:if\\s+exists\\s+)?(?<names>${NAME}(?:\\s*\\([^)]*\\))?(?:\\s*,\\s*${NAME}(?:\\s*\\([^)]*\\))?)*)`,
    `\\balter\\s+(?:materialized\\s+)?(?<altered>${WORDS})\\s+(?:if\\s+exists\\s+)?(?:only\\s+)?(?<old>${NAME})(?:\\s*\\([^)]*\\))?\\s+(?<how>rename\\s+to|set\\s+schema)\\s+(?<to>${IDENTIFIER})`,
  ].join('|'),
  'gi',
);

/** What is there after migrations have run in their order, and which of them made it. Unqualified names are of `public`. */
export function objectsAfter(
  migrations: readonly { file: string; sql: string }[],
): Map<string, SqlObject & { file: string }> {
  const objects = new Map<string, SqlObject & { file: string }>();
  for (const { file, sql } of migrations) {
    for (const { groups = {} } of withoutText(sql).matchAll(STATEMENT)) {
      const { created, name = '', dropped, names = '', altered, old = '', how = '', to = '' } = groups;
      if (created !== undefined) {
        const made = objectOf(created, name);
        objects.set(keyOf(made), { ...made, file });
      } else if (dropped !== undefined) {
        for (const one of names.replace(/\([^)]*\)/g, '').split(','))
          objects.delete(keyOf(objectOf(dropped, one)));
      } else if (altered !== undefined) {
        const former = objectOf(altered, old);
        objects.delete(keyOf(former));
        const [schema = '', own = ''] = former.name.split('.');
        const target = unquoted(to);
        const moved =
          former.kind === 'schema' ? target : /^set/i.test(how) ? `${target}.${own}` : `${schema}.${target}`;
        objects.set(keyOf({ ...former, name: moved }), { ...former, name: moved, file });
      }
    }
  }
  return objects;
}

/** Objects of one key cannot both be there. */
export function keyOf({ kind, name }: SqlObject): string {
  return `${kind} ${name}`;
}

function objectOf(written: string, name: string): SqlObject {
  const word = written.toLowerCase();
  const parts = [...name.matchAll(new RegExp(IDENTIFIER, 'gi'))].map(([part]) => unquoted(part));
  if (word === 'schema') return { kind: 'schema', word, name: parts[0] ?? '' };
  const kind = word === 'function' || word === 'procedure' ? 'function' : 'relation';
  return { kind, word, name: parts.length > 1 ? parts.join('.') : `public.${parts[0]}` };
}

function unquoted(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1) : identifier.toLowerCase();
}

const TEXT =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?<tag>\w*)\$(?<body>[\s\S]*?)\$\k<tag>\$|--[^\n]*|\/\*[\s\S]*?\*\//g;

/** SQL without comments, strings, and bodies of functions; what a `do` block does stays. */
function withoutText(sql: string): string {
  return sql.replace(TEXT, (found, ...rest) => {
    const { body } = rest.at(-1) as { body?: string };
    if (found.startsWith('"')) return found;
    if (body === undefined) return ' ';
    const before = sql.slice(0, rest.at(-3) as number);
    return /\bdo\s*$/i.test(before) ? withoutText(body) : ' ';
  });
}
