import type { SchemaFile } from '../quality/schema/schema-files.ts';
import type { CatalogFunction, DatabaseCatalog, Relation } from './catalog.ts';
import { type Comment, readComment } from './comments.ts';
import { capability } from './markdown.ts';

export interface PublicFunction extends Omit<CatalogFunction, 'comment'> {
  comment: Comment;
  /** What its folder of the schema is about. */
  capability: string;
  /** What each parameter means, as far as that is said. */
  meanings: Map<string, string>;
  /** Of an RPC that is another function for servers: that one. Of such a function: the RPC. */
  twin?: string;
  /** How supabase-js calls it, where its comment says so. */
  call?: string;
}

export interface PublicRelation extends Omit<Relation, 'comment'> {
  comment: Comment;
}

/** What of a database people call and read, in the order of the schema. */
export interface PublicPart {
  /** Of schema push, for the database owner. */
  functions: PublicFunction[];
  /** Of schema public, for API roles. */
  rpcs: PublicFunction[];
  relations: PublicRelation[];
}

/**
 * Takes from a database what is public: in schema `public`, what a role of the API may call or touch; in schema `push`,
 * which no such role may use, what its comment says to be for the database owner.
 */
export function publicPart(database: DatabaseCatalog, files: SchemaFile[]): PublicPart {
  const places = placesOf(files);
  const rank = (name: string) => places.get(name)?.rank ?? Number.MAX_SAFE_INTEGER;
  const columns = new Map(
    database.relations.map((relation) => [
      relation.name,
      new Map(relation.columns.map(({ name, comment }) => [name, comment])),
    ]),
  );
  const described = database.functions.map((given) => ({
    ...describe(given, columns),
    capability: places.get(given.name)?.capability ?? '',
  }));
  const byName = new Map(described.map((given) => [given.name, given]));
  const twins = new Map(described.flatMap(({ name, twin }) => (twin === undefined ? [] : [[twin, name]])));
  // By folder; there, what declares or sends comes before what takes back: it has more to say.
  const folder = (name: string) => Math.floor(rank(name) / FILES);
  const told = described.sort(
    (one, other) => folder(one.name) - folder(other.name) || other.parameters.length - one.parameters.length,
  );
  return {
    functions: told
      .filter(({ name, comment }) => name.startsWith('push.') && comment.forOwner)
      .map((given) => {
        const twin = twins.get(given.name);
        return twin === undefined ? given : { ...given, twin };
      }),
    rpcs: told
      .filter(({ name, roles }) => name.startsWith('public.') && roles.length > 0)
      .map((rpc) => {
        const same = byName.get(rpc.twin ?? '');
        if (same === undefined) return rpc;
        return { ...rpc, comment: same.comment, meanings: new Map([...same.meanings, ...rpc.meanings]) };
      }),
    relations: database.relations
      .map((relation) => ({ ...relation, comment: readComment(relation.comment) }))
      .filter(({ name, access, comment }) =>
        name.startsWith('public.') ? access.length > 0 : comment.forOwner,
      )
      .sort((one, other) => rank(one.name) - rank(other.name)),
  };
}

const FILES = 1000;

/** Where each thing is defined: its folder's number and its place among all files. */
function placesOf(files: SchemaFile[]): Map<string, { rank: number; capability: string }> {
  const places = new Map<string, { rank: number; capability: string }>();
  for (const [index, { path, text }] of files.entries()) {
    const place = { rank: Number.parseInt(path, 10) * FILES + index, capability: capability(path) };
    for (const [, name = ''] of text.matchAll(/^create (?:function|table|view) ((?:push|public)\.\w+)/gm))
      if (!places.has(name)) places.set(name, place);
  }
  return places;
}

const WRITES = /\binsert into ((?:push|public)\.\w+)/;
const TWIN = /^(push\.\w+)\(\) for servers(?:: (.+?) with the secret key)?\./;

function describe(
  given: CatalogFunction,
  columns: Map<string, Map<string, string>>,
): Omit<PublicFunction, 'capability'> {
  const comment = readComment(given.comment);
  // A parameter is a column of what its function writes, by the same name, unless the comment says more.
  const written = columns.get(WRITES.exec(given.source)?.[1] ?? '');
  const meanings = given.parameters.flatMap(({ name }) => {
    const says = comment.parameters.get(name) ?? written?.get(name.replace(/^p_/, ''));
    return says ? [[name, says] as const] : [];
  });
  const [, twin, call] = TWIN.exec(comment.text) ?? [];
  return {
    ...given,
    comment,
    meanings: new Map(meanings),
    ...(twin === undefined ? {} : { twin }),
    ...(call === undefined ? {} : { call }),
  };
}
