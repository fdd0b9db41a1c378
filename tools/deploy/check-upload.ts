import { relative, sep } from 'node:path';
import type { EdgeFunction } from '../local/functions/edge-function.ts';
import { isInsideProject, type UploadedFunction } from './uploaded-function.ts';

/** Compares what was uploaded with what the project says: entrypoint, import map, `verify_jwt`. */
export function checkUpload(project: string, declared: EdgeFunction, upload: UploadedFunction): string[] {
  const problems: string[] = [];
  const expect = (what: string, uploaded: unknown, wanted: unknown): void => {
    if (uploaded !== wanted) problems.push(`${what} is ${uploaded}, and should be ${wanted}`);
  };
  const fromRoot = (path: string): string => relative(project, path).split(sep).join('/');
  expect('the name', upload.name, declared.name);
  expect('the entrypoint', upload.entrypoint, fromRoot(declared.entrypoint));
  const importMap = declared.importMap ?? declared.denoConfig;
  if (importMap === undefined)
    problems.push('it has no deno.json, so nothing says which versions it imports');
  else expect('the import map', upload.importMap, fromRoot(importMap));
  expect('verify_jwt', upload.verifyJwt, declared.verifyJwt);
  for (const path of [upload.entrypoint, upload.importMap]) {
    if (path !== undefined && !upload.files.has(path)) problems.push(`${path} was not uploaded`);
  }
  for (const path of upload.files.keys()) {
    if (!isInsideProject(path)) problems.push(`${path} was uploaded from outside the project`);
  }
  return problems;
}
