import { firstSentence } from './comments.ts';
import { headingOf, type Links, linkTo } from './links.ts';
import { code, page, prose, sqlText, table } from './markdown.ts';
import type { PublicFunction, PublicPart } from './public-part.ts';

const ABOUT_NOW = 'Leave out `p_now`: it is the moment that a call counts as, for tests.';

/** `sql.md`: the functions of schema push that the database owner calls. */
export function sqlPage({ functions }: PublicPart, links: Links): string {
  const groups = Map.groupBy(functions, (given) => given.capability);
  return page('SQL functions', [
    'The functions of schema `push` that you call in migrations, in triggers and in the SQL editor, as the database owner ' +
      '(`postgres`). No API role may use the schema: users and servers call [RPCs](rpc.md).',
    `${ABOUT_NOW} What goes wrong is an [error](errors.md) with a code.`,
    list(functions, links),
    ...[...groups].flatMap(([title, members]) => [
      `## ${title}`,
      ...members.flatMap((given) => section(given, links)),
    ]),
  ]);
}

/** Who calls an RPC. */
export interface RpcsByCaller {
  users: PublicFunction[];
  servers: PublicFunction[];
  edgeFunctions: PublicFunction[];
}

/** `called` are those that the Edge Functions call. */
export function byCaller({ rpcs }: PublicPart, called: Set<string>): RpcsByCaller {
  const groups = Map.groupBy(rpcs, ({ name, roles }) => {
    if (roles.includes('authenticated') || roles.includes('anon')) return 'users';
    return called.has(headingOf(name)) ? 'edgeFunctions' : 'servers';
  });
  const group = (caller: keyof RpcsByCaller) => groups.get(caller) ?? [];
  return { users: group('users'), servers: group('servers'), edgeFunctions: group('edgeFunctions') };
}

/** `rpc.md`: the functions of schema public, by who calls them. */
export function rpcPage({ users, servers, edgeFunctions }: RpcsByCaller, links: Links): string {
  const groups: [title: string, says: string, members: PublicFunction[]][] = [
    ['For users', 'Called with the session of a user, who gets and changes only what is theirs.', users],
    ['For servers', 'Called with the secret key, which never leaves a server.', servers],
    [
      'For the Edge Functions',
      'Called by the Edge Functions of Supapush, with the secret key too. They may change with any version.',
      edgeFunctions,
    ],
  ];
  return page('RPCs', [
    'The functions of schema `public`, which users and servers call with supabase-js or over the Data API:',
    "```ts outline\nconst { data, error } = await supabase.rpc('push_mark_read', { p_ids: [id] });\n```",
    `${ABOUT_NOW} What goes wrong is an [error](errors.md): its code is in \`error.details\`, and \`error.hint\` says what to do.`,
    ...groups.flatMap(([title, says, members]) => [
      `## ${title}`,
      says,
      list(members, links),
      ...members.flatMap((rpc) => section(rpc, links)),
    ]),
  ]);
}

function list(functions: PublicFunction[], links: Links): string {
  return table(
    ['function', 'does'],
    functions.map(({ name, comment }) => [linkTo(name, links), prose(firstSentence(comment.text), links)]),
  );
}

function section(given: PublicFunction, links: Links): string[] {
  const rows = given.parameters.flatMap(({ name }) => {
    const says = given.meanings.get(name);
    return says === undefined ? [] : [[code(name), prose(says, links)]];
  });
  return [
    `### ${headingOf(given.name)}()`,
    prose(given.comment.text, links),
    ...alsoCallable(given, links),
    `\`\`\`sql outline\n${signature(given)}\n\`\`\``,
    ...(given.call === undefined ? [] : [`\`\`\`ts outline\nawait ${given.call};\n\`\`\``]),
    ...(rows.length > 0 ? [table(['parameter', 'meaning'], rows)] : []),
  ];
}

/** Who else may call it, or how. */
function alsoCallable({ name, roles, twin }: PublicFunction, links: Links): string[] {
  if (twin !== undefined && links(twin) !== undefined)
    return [`${name.startsWith('public.') ? 'In SQL' : 'For servers'}: ${linkTo(twin, links)}.`];
  if (roles.includes('anon')) return ['Everyone may call it, signed in or not.'];
  return roles.includes('authenticated') && roles.includes('service_role')
    ? ['Servers may call it too.']
    : [];
}

const WIDTH = 100;

/** As one would declare it, on one line where that fits. */
function signature({ name, parameters, returns }: PublicFunction): string {
  const parts = parameters.map(({ name: parameter, type, fallback }) => {
    const rest = fallback === null ? '' : ` default ${sqlText(fallback)}`;
    return `${parameter} ${sqlText(type)}${rest}`;
  });
  const result = `returns ${sqlText(returns).replace(/^(TABLE|SETOF)\b/, (word) => word.toLowerCase())}`;
  const flat = `${headingOf(name)}(${parts.join(', ')})`;
  if (flat.length + result.length < WIDTH) return `${flat} ${result}`;
  const head = flat.length < WIDTH ? flat : `${headingOf(name)}(\n  ${parts.join(',\n  ')}\n)`;
  return head.includes('\n') && result.length < WIDTH ? `${head} ${result}` : `${head}\n${wrapped(result)}`;
}

/** The columns of a result, as many on a line as fit. */
function wrapped(result: string): string {
  const [, head, columns] = /^(returns table)\((.*)\)$/.exec(result) ?? [];
  if (head === undefined || columns === undefined || result.length < WIDTH) return result;
  const lines = [''];
  for (const column of columns.split(', ')) {
    const last = lines.at(-1) ?? '';
    if (last.length + column.length + 4 > WIDTH) lines.push(column);
    else lines[lines.length - 1] = last === '' ? column : `${last}, ${column}`;
  }
  return `${head} (\n  ${lines.join(',\n  ')}\n)`;
}
