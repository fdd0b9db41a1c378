import { basicEnvironment } from '../quality/run-program.ts';
import type { UploadedFunction } from './uploaded-function.ts';

/** Paths are relative to the folder the upload lies in, which is Deno's working directory. */
export function resolutionFlags({ importMap }: UploadedFunction): string[] {
  return [
    // Neither our lock file nor our node_modules: the platform has only what was uploaded.
    '--no-lock',
    '--node-modules-dir=none',
    ...configFlags(importMap),
  ];
}

function configFlags(importMap: string | undefined): string[] {
  if (importMap === undefined) return ['--no-config'];
  const isDenoConfig = /(^|\/)deno\.jsonc?$/.test(importMap);
  return isDenoConfig ? ['--config', importMap] : ['--no-config', '--import-map', importMap];
}

/** Deno's own part of the environment; its cache of npm packages is shared with every other use of it. */
export function denoEnvironment(): Record<string, string> {
  return { ...basicEnvironment(), DENO_NO_UPDATE_CHECK: '1', DENO_NO_PACKAGE_JSON: '1', NO_COLOR: '1' };
}
