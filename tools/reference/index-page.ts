import { firstSentence } from './comments.ts';
import type { RpcsByCaller } from './function-pages.ts';
import { type Links, linkTo } from './links.ts';
import { page, prose, table } from './markdown.ts';
import type { PublicFunction, PublicPart } from './public-part.ts';

/** `README.md`: which page has what, and every function that people call. */
export function indexPage({ functions }: PublicPart, { users, servers }: RpcsByCaller, links: Links): string {
  const does = ({ comment }: PublicFunction) => prose(firstSentence(comment.text));
  const alone = servers.filter(({ twin }) => twin === undefined);
  return page('Reference', [
    'What there is, generated from the schema and the sources. How to use it is in [the guides](../../README.md#pages).',
    table(
      ['page', 'has'],
      [
        ['[SQL functions](sql.md)', 'schema `push`: for migrations, triggers and the SQL editor'],
        ['[RPCs](rpc.md)', 'schema `public`: for users and servers, with supabase-js'],
        ['[Tables](tables.md)', 'columns, and who may do what with them; what operators read'],
        ['[Errors](errors.md)', 'every code: of the database, the Edge Functions, the client, and alarms'],
        ['[Settings](settings.md)', 'every column of `push.settings`'],
        ['[openapi.json](openapi.json)', 'the Edge Functions over HTTP, as OpenAPI 3.1'],
      ],
    ),
    '## Functions',
    'Of a project, in SQL as the database owner, or from a server with the secret key:',
    table(
      ['does', 'in SQL', 'from a server'],
      [
        ...functions.map((given) => [
          does(given),
          linkTo(given.name, links),
          given.twin === undefined ? '' : linkTo(given.twin, links),
        ]),
        ...alone.map((rpc) => [does(rpc), '', linkTo(rpc.name, links)]),
      ],
    ),
    'Of a user, with their session. [The client](../start/frontend.md) calls most of them for you:',
    table(
      ['does', 'with supabase-js'],
      users.map((rpc) => [does(rpc), linkTo(rpc.name, links)]),
    ),
  ]);
}
