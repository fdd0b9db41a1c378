import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LocalConfig } from '../local-config.ts';

/** One Edge Function of a project: where it starts, and how it is to be served. */
export interface EdgeFunction {
  name: string;
  entrypoint: string;
  verifyJwt: boolean;
  /** `deno.json` next to the entrypoint: the only one that is deployed with the function. */
  denoConfig?: string;
  importMap?: string;
}

/** Finds the functions the Supabase CLI would serve: folders with an entrypoint, `_shared` and the like left out. */
export async function findEdgeFunctions(config: LocalConfig): Promise<EdgeFunction[]> {
  const directory = join(config.supabaseDirectory, 'functions');
  const folders = existsSync(directory) ? await readdir(directory, { withFileTypes: true }) : [];
  // The older way, one map for all functions.
  const shared = join(directory, 'import_map.json');
  const sharedMap = existsSync(shared) ? shared : undefined;
  const found: EdgeFunction[] = [];
  for (const folder of folders) {
    if (!folder.isDirectory() || folder.name.startsWith('_')) continue;
    const settings = config.functions[folder.name];
    const entrypoint = settings?.entrypoint ?? join(directory, folder.name, 'index.ts');
    if (settings?.enabled === false || !existsSync(entrypoint)) continue;
    const denoConfig = ['deno.json', 'deno.jsonc']
      .map((name) => join(dirname(entrypoint), name))
      .find((path) => existsSync(path));
    const importMap = settings?.importMap ?? (denoConfig === undefined ? sharedMap : undefined);
    found.push({
      name: folder.name,
      entrypoint,
      verifyJwt: settings?.verifyJwt ?? true,
      ...(denoConfig && { denoConfig }),
      ...(importMap !== undefined && { importMap }),
    });
  }
  return found.sort((a, b) => a.name.localeCompare(b.name));
}
