import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { parseJson } from '../../src/shared/parse-json.ts';
import { readUpload, type UploadedFunction } from './uploaded-function.ts';

/** As much of Supabase's Management API as `functions deploy` and `secrets set` ask for, on loopback, keeping what it is given. */
export interface ManagementApi {
  url: string;
  /** In the order in which they came. */
  uploads: UploadedFunction[];
  /** What was set last, by its name. */
  secrets: Record<string, string>;
  /** Requests it could not answer as the real one would. */
  problems: string[];
  stop(): Promise<void>;
}

// The platform keeps names of this beginning for itself.
const secretsShape = z.array(
  z.object({ name: z.string().regex(/^(?!SUPABASE_)/), value: z.string().max(24_576) }),
);

interface Answer {
  status: number;
  body: unknown;
}

/**
 * Starts it on a free port of 127.0.0.1. A single function is deployed with one POST; several are first bundled one
 * by one (`bundleOnly=true`) and then put live with one PUT. Every request must carry `token`.
 */
export async function startManagementApi(projectRef: string, token: string): Promise<ManagementApi> {
  const project = `/v1/projects/${projectRef}`;
  const uploads: UploadedFunction[] = [];
  const secrets: Record<string, string> = {};
  const problems: string[] = [];

  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const route = `${request.method} ${url.pathname}`;
    const body = await readBody(request);
    if (request.headers.authorization !== `Bearer ${token}`) {
      return { status: 401, body: { message: 'Unauthorized' } };
    }
    switch (route) {
      case `POST ${project}/functions/deploy`: {
        const slug = url.searchParams.get('slug') ?? '';
        const upload = await readUpload(slug, request.headers['content-type'] ?? '', body);
        uploads.push(upload);
        return { status: 201, body: describe(upload) };
      }
      case `PUT ${project}/functions`:
        return { status: 200, body: { functions: uploads.map(describe) } };
      case `GET ${project}/functions`:
        // A new project: nothing is deployed yet.
        return { status: 200, body: [] };
      case `POST ${project}/secrets`:
        for (const { name, value } of secretsShape.parse(parseJson(body.toString()))) secrets[name] = value;
        return { status: 201, body: undefined };
      case `GET ${project}`:
        return { status: 200, body: { id: projectRef, ref: projectRef, name: 'verify-deploy' } };
      default:
        problems.push(`${route}: the Supabase CLI asks for something this Management API does not know`);
        return { status: 404, body: { message: 'Not Found' } };
    }
  };

  const server = createServer((request, response) => {
    answer(request)
      .catch((error: unknown): Answer => {
        problems.push(`${request.method} ${request.url}: ${error instanceof Error ? error.message : error}`);
        return { status: 400, body: { message: String(error) } };
      })
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    uploads,
    secrets,
    problems,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function describe({ slug, name, entrypoint, importMap, verifyJwt }: UploadedFunction) {
  const now = Date.now();
  return {
    id: `${slug}-1`,
    slug,
    name,
    status: 'ACTIVE',
    version: 1,
    created_at: now,
    updated_at: now,
    verify_jwt: verifyJwt,
    entrypoint_path: entrypoint,
    import_map_path: importMap ?? null,
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}
