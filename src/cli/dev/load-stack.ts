import { pathToFileURL } from 'node:url';
import type { AppStackModule } from './app-stack.ts';
import { DevError } from './dev-error.ts';
import { installStack } from './packages.ts';

/** What `@supabase/lite` and the stack itself are made for. */
const NODE_MAJOR = 22;

/**
 * Loads the local stack: that of the package with its packages in the folder of the project, or, in a clone, the sources.
 *
 * @param root the folder of the project
 * @throws `node_too_old`, `needs_node_modules`, `already_running`, `packages_not_installed`, `package_incomplete`
 */
export async function loadStack(
  root: string,
  say: (line: string) => void,
  versions: NodeJS.ProcessVersions = process.versions,
): Promise<AppStackModule> {
  const [major = 0] = versions.node.split('.').map(Number);
  if (major < NODE_MAJOR) {
    throw new DevError(
      'node_too_old',
      `supapush dev needs node ${NODE_MAJOR} or newer, and this is ${versions.node}.`,
    );
  }
  if (versions.pnp !== undefined) {
    throw new DevError(
      'needs_node_modules',
      "supapush dev needs a folder node_modules, which Yarn Plug'n'Play does not make. Write `nodeLinker: node-modules` into " +
        '.yarnrc.yml and run yarn install.',
    );
  }
  const inClone = import.meta.url.endsWith('.ts');
  const module = inClone
    ? new URL('../../../tools/local/app-stack.ts', import.meta.url)
    : pathToFileURL(await installStack(root, say));
  return (await import(module.href)) as AppStackModule;
}
