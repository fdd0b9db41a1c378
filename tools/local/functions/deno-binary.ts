import { createRequire } from 'node:module';

/**
 * The path of the Deno executable itself. The package's `bin` is, before its install script has run, a Node script
 * that starts Deno as a child: killing that would leave Deno behind.
 */
export function denoBinary(): string {
  const require = createRequire(import.meta.url);
  const { runInstall } = require('deno/install_api.cjs') as { runInstall(): string };
  return runInstall();
}
