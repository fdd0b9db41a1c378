import type { Column } from './catalog.ts';
import { headingOf, type Links, linkTo } from './links.ts';
import { code, page, prose, sqlText, table } from './markdown.ts';
import type { PublicPart, PublicRelation } from './public-part.ts';

const SETTINGS = 'push.settings';

/** `tables.md`: the tables of schema public, and those of schema push that operators read. */
export function tablesPage({ relations }: PublicPart, links: Links): string {
  const told = relations.filter(({ name }) => name !== SETTINGS);
  const groups: [title: string, says: string, members: PublicRelation[]][] = [
    [
      'For users and servers',
      'Tables of schema `public`, under row-level security. Users read and write them with supabase-js and their session, servers ' +
        'with the secret key.',
      told.filter(({ name }) => name.startsWith('public.')),
    ],
    [
      'For operators',
      'Tables and views of schema `push`, which no API role may touch: for the SQL editor and `psql`, as the database owner. Their ' +
        'rows are written by functions; change only `push.hosts` and [`push.settings`](settings.md) by hand.',
      told.filter(({ name }) => name.startsWith('push.')),
    ],
  ];
  return page(
    'Tables',
    groups.flatMap(([title, says, members]) => [
      `## ${title}`,
      says,
      table(
        ['table', 'holds'],
        members.map(({ name, comment }) => [linkTo(name, links), prose(comment.text, links)]),
      ),
      ...members.flatMap((relation) => [
        `### ${headingOf(relation.name)}`,
        prose(relation.comment.text, links),
        ...(relation.access.length > 0 ? [access(relation)] : []),
        columnsOf(relation, links),
      ]),
    ]),
  );
}

/** `settings.md`: every column of `push.settings`. */
export function settingsPage({ relations }: PublicPart, links: Links): string {
  const settings = relations.find(({ name }) => name === SETTINGS);
  if (settings === undefined) throw new Error(`${SETTINGS} is not among what the reference tells of.`);
  const columns = settings.columns.filter(({ name }) => name !== 'id');
  return page('Settings', [
    'The one row of `push.settings`. Change it as the database owner; a value that would stop messages is refused with a hint ' +
      'that says what it may be. [Which of them matter, and when](../operate/settings.md).',
    '```sql\nselect * from push.settings;\nupdate push.settings set daily_ceiling = 30;\n```',
    table(
      ['setting', 'type', 'unless set', 'accepts', 'meaning'],
      columns.map((column) => [
        code(column.name),
        sqlText(column.type),
        column.fallback === null ? 'null' : code(readable(column.fallback)),
        accepts(settings, column.name),
        prose(column.comment, links),
      ]),
    ),
  ]);
}

const ROLES: Record<string, string> = {
  anon: 'anyone (`anon`)',
  authenticated: 'users (`authenticated`)',
  service_role: 'servers (`service_role`)',
};

/** A row for each role and kind of rows: what it may do with them. */
function access({ access: given }: PublicRelation): string {
  const groups = Map.groupBy(given, ({ role, rows }) => `${role} ${rows}`);
  return table(
    ['who', 'may', 'rows'],
    [...groups.values()].flatMap((members) => {
      const [first] = members;
      if (first === undefined) return [];
      return [
        [ROLES[first.role] ?? first.role, members.map(({ may }) => may).join(', '), first.rows ?? 'none'],
      ];
    }),
  );
}

function columnsOf(relation: PublicRelation, links: Links): string {
  const isWritten = relation.columns.some(({ users }) => users.length > 0);
  return table(
    ['column', 'type', 'unless given', 'users may', 'meaning'],
    relation.columns.map((column) => [
      code(column.name),
      sqlText(column.type) + (column.required || relation.kind === 'view' ? '' : ', null'),
      column.fallback === null ? '' : code(readable(column.fallback)),
      isWritten ? column.users.join(', ') : '',
      prose(column.comment, links),
    ]),
  );
}

/** `'00:01:00'::interval` → `1 minute`. */
function readable(fallback: Column['fallback'] & string): string {
  return interval(sqlText(fallback).replace(/^'((?:[^']|'')+)'$/, '$1'));
}

const UNITS: [seconds: number, name: string][] = [
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
  [0.001, 'millisecond'],
];

/** `00:15:00` → `15 minutes`; anything else stays. */
function interval(text: string): string {
  const [, hours, minutes, seconds] = /^(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(text) ?? [];
  const all = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  const [length, name] = UNITS.find(([unit]) => all >= unit && Number.isInteger(all / unit)) ?? [1, 'second'];
  if (Number.isNaN(all)) return text;
  return `${all / length} ${name}${all === length ? '' : 's'}`;
}

/** What a column may be: what its constraint says in words, or the parts of conditions that are about it. */
function accepts({ checks }: PublicRelation, column: string): string {
  const isAbout = (text: string) => text.match(/[a-z_]+/g)?.includes(column) ?? false;
  const parts: string[] = [];
  for (const { condition, comment } of checks.filter((check) => isAbout(check.condition))) {
    if (comment !== null) return prose(comment);
    parts.push(...conjuncts(condition).filter(isAbout));
  }
  const bounds = parts.map((part) =>
    part
      .replace(`${column} `, '')
      .replace(/\((-?[\d.]+)\)::numeric/g, '$1')
      .replace(/'((?:[^']|'')*)'::[a-z ]+(?:\[\])?/g, (_, text: string) => interval(text)),
  );
  const [low, high] = bounds.map((bound) => /^[<>]= (.+)$/.exec(bound)?.[1]);
  if (bounds.length === 2 && low !== undefined && high !== undefined) return `${code(low)} to ${code(high)}`;
  return bounds.map((bound) => code(bound)).join(', ');
}

/** `((a > 0) AND (b > 0))` → `a > 0`, `b > 0`. */
function conjuncts(condition: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  let isWhole = condition.startsWith('(');
  for (const { index, 0: token } of condition.matchAll(/'(?:[^']|'')*'|[()]|\sAND\s/g)) {
    if (token === '(') depth += 1;
    else if (token === ')') depth -= 1;
    else if (depth === 0 && token.trim() === 'AND') {
      parts.push(condition.slice(start, index));
      start = index + token.length;
    }
    if (depth === 0 && index < condition.length - 1) isWhole = false;
  }
  if (isWhole) return conjuncts(condition.slice(1, -1).trim());
  parts.push(condition.slice(start));
  return parts.length === 1 ? parts : parts.flatMap((part) => conjuncts(part.trim()));
}
