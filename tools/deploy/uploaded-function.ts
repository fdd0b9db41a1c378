import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path/posix';
import { z } from 'zod';

const metadata = z.object({
  name: z.string(),
  entrypoint_path: z.string(),
  import_map_path: z.string().optional(),
  verify_jwt: z.boolean().optional(),
});

/** One Edge Function as the Management API received it. */
export interface UploadedFunction {
  slug: string;
  name: string;
  /** Relative to the root of the upload, as all paths here. */
  entrypoint: string;
  importMap: string | undefined;
  /** The platform demands a user's token unless it is told otherwise. */
  verifyJwt: boolean;
  files: Map<string, Uint8Array>;
}

/** An upload that cannot be laid out. */
export class UploadError extends Error {
  override readonly name = 'UploadError';
  readonly code = 'path_outside_project';
}

/** Reads the multipart body of `POST /v1/projects/<ref>/functions/deploy`. Throws when it is not one. */
export async function readUpload(
  slug: string,
  contentType: string,
  body: Uint8Array<ArrayBuffer>,
): Promise<UploadedFunction> {
  const form = await new Response(body, { headers: { 'content-type': contentType } }).formData();
  const described = form.get('metadata');
  const text = typeof described === 'string' ? described : ((await described?.text()) ?? 'null');
  const { name, entrypoint_path, import_map_path, verify_jwt } = metadata.parse(JSON.parse(text));
  const files = new Map<string, Uint8Array>();
  for (const part of form.getAll('file')) {
    if (typeof part !== 'string') files.set(part.name, new Uint8Array(await part.arrayBuffer()));
  }
  return {
    slug,
    name,
    entrypoint: entrypoint_path,
    importMap: import_map_path || undefined,
    verifyJwt: verify_jwt ?? true,
    files,
  };
}

/** Whether a file of an upload would lie below the root of the project. */
export function isInsideProject(path: string): boolean {
  return !path.startsWith('/') && normalize(path) !== '..' && !normalize(path).startsWith('../');
}

/** Writes the files of an upload, and nothing else, below `folder`. Throws `UploadError` on a path that leads out of it. */
export async function layOut(upload: UploadedFunction, folder: string): Promise<void> {
  for (const [path, content] of upload.files) {
    if (!isInsideProject(path)) throw new UploadError(`${path} lies outside the project`);
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  }
}
