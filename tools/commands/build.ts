import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/cli/run-command.ts';
import { buildPackage } from '../build/build-package.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

const USAGE = `Usage: npm run build

Builds what apps get into dist: ES modules with types and the ready service worker sw.js for browsers, the Edge Functions as
bundles, and the command supapush.`;

await runCommand(USAGE, async () => {
  if (process.argv.length > 2) return USAGE;
  await buildPackage(PROJECT);
  return 'Built dist.';
});
