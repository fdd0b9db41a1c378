import { z } from 'zod';
import { openApi } from '../../../tools/reference/openapi.ts';

interface Schema {
  $ref?: string;
  anyOf?: Schema[];
  properties?: { code?: { enum?: string[] } };
}
// No interface: the validator takes what has an index.
type Document = {
  paths: Record<
    string,
    Record<string, { responses: Record<string, { content: Record<string, { schema: Schema }> }> }>
  >;
  components: { schemas: Record<string, Schema> };
};

/** The document as its readers have it. */
export const document = JSON.parse(JSON.stringify(openApi('0.0.0'))) as Document;

/** All that is documented: `push-events post 400 body_malformed`, and for what is no error the name of its schema. */
export function documented(): string[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { responses }]) =>
      Object.keys(responses).flatMap((status) =>
        shapes(path, method, status).flatMap((shape) =>
          names(shape).map((name) => `${path.slice(1)} ${method} ${status} ${name}`),
        ),
      ),
    ),
  );
}

/** Which documented answer this is, in the words of `documented()`. Throws where it is none, or more than one. */
export async function documentedAs(name: string, method: string, answer: Response): Promise<string> {
  const body = (await answer.json()) as { code?: string };
  const fitting = shapes(`/${name}`, method, String(answer.status)).filter(
    (shape) => readerOf(shape).safeParse(body).success,
  );
  const [shape] = fitting;
  if (shape === undefined || fitting.length > 1)
    throw new Error(
      `${name} ${method} answered ${answer.status} ${JSON.stringify(body)}: ${fitting.length} documented answers fit.`,
    );
  return `${name} ${method} ${answer.status} ${shape.$ref === undefined ? body.code : names(shape).join()}`;
}

const readers = new Map<Schema, z.ZodType>();

function readerOf(shape: Schema): z.ZodType {
  const known = readers.get(shape) ?? z.fromJSONSchema(resolved(shape) as z.core.JSONSchema.JSONSchema);
  readers.set(shape, known);
  return known;
}

function shapes(path: string, method: string, status: string): Schema[] {
  const schema = document.paths[path]?.[method]?.responses[status]?.content['application/json']?.schema;
  return schema === undefined ? [] : (schema.anyOf ?? [schema]);
}

function names({ $ref, properties }: Schema): string[] {
  return $ref === undefined ? (properties?.code?.enum ?? []) : [$ref.split('/').at(-1) ?? ''];
}

function resolved(schema: Schema): Schema {
  return schema.$ref === undefined ? schema : (document.components.schemas[names(schema).join()] ?? schema);
}
