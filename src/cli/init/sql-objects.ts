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

/** The columns that a table has after migrations have made it and added to it, in the spelling of the catalog. */
export function tableColumns(migrations: readonly { sql: string }[], table: string): string[] {
  const columns = new Set<string>();
  for (const { sql } of migrations) {
    const code = withoutText(sql);
    for (const { groups = {}, index, 0: found } of code.matchAll(STATEMENT)) {
      if (groups.created === undefined || objectOf(groups.created, groups.name ?? '').name !== table)
        continue;
      for (const item of itemsOf(code.slice(index + found.length))) {
        const [name = ''] = new RegExp(`^${IDENTIFIER}`, 'i').exec(item) ?? [];
        if (name !== '' && !/^(constraint|primary|unique|foreign|check|exclude|like)$/i.test(name))
          columns.add(unquoted(name));
      }
    }
    for (const { groups = {} } of code.matchAll(ALTERED)) {
      if (objectOf('table', groups.table ?? '').name !== table) continue;
      for (const { groups: added = {} } of (groups.actions ?? '').matchAll(ADDED))
        columns.add(unquoted(added.column ?? ''));
      for (const { groups: renamed = {} } of (groups.actions ?? '').matchAll(RENAMED)) {
        columns.delete(unquoted(renamed.from ?? ''));
        columns.add(unquoted(renamed.to ?? ''));
      }
    }
  }
  return [...columns];
}

const ALTERED = new RegExp(
  `\\balter\\s+table\\s+(?:if\\s+exists\\s+)?(?:only\\s+)?(?<table>${NAME})(?<actions>[^;]*)`,
  'gi',
);
const ADDED = new RegExp(`\\badd\\s+column\\s+(?:if\\s+not\\s+exists\\s+)?(?<column>${IDENTIFIER})`, 'gi');
const RENAMED = new RegExp(
  `\\brename\\s+column\\s+(?<from>${IDENTIFIER})\\s+to\\s+(?<to>${IDENTIFIER})`,
  'gi',
);

/** What stands between the first bracket of a text and its end, divided at the commas. */
function itemsOf(text: string): string[] {
  if (!/^\s*\(/.test(text)) return [];
  const items: string[] = [''];
  let depth = 0;
  for (const sign of text.trimStart()) {
    if (sign === ')') depth -= 1;
    if (depth === 0 && sign === ')') break;
    if (depth === 1 && sign === ',') items.push('');
    else if (depth > 0) items.push(`${items.pop() ?? ''}${sign}`);
    if (sign === '(') depth += 1;
  }
  return items.map((item) => item.trim());
}

/** The functions whose bodies name a word, as they are named where they are made. */
export function functionsNaming(migrations: readonly { sql: string }[], word: string): string[] {
  const made = new RegExp(
    `\\bcreate\\s+(?:or\\s+replace\\s+)?(?:function|procedure)\\s+(?<name>${NAME})(?:[^;$']|'(?:[^']|'')*')*?\\bas\\s+(?:\\$(?<tag>\\w*)\\$(?<body>[\\s\\S]*?)\\$\\k<tag>\\$|'(?<text>(?:[^']|'')*)')`,
    'gi',
  );
  const named = new RegExp(`\\b${word}\\b`, 'i');
  const found = migrations.flatMap(({ sql }) =>
    [...sql.matchAll(made)]
      .filter(({ groups = {} }) => named.test(groups.body ?? groups.text ?? ''))
      .map(({ groups = {} }) => objectOf('function', groups.name ?? '').name),
  );
  return [...new Set(found)];
}
