import { parseArgs } from 'node:util';
import { runMainJob } from '../demo/main-job.ts';
import { createNarrator } from '../demo/narrator.ts';
import { startStack } from '../local/stack.ts';

const USAGE = `Usage: npm run demo [-- --verbose]

Starts a local Supabase with a push service beside it, lets a row change become an encrypted push, and shows each
step. Needs nothing but this folder; leaves nothing behind.

  --verbose   also print what the local stack does`;

async function main(): Promise<number> {
  let verbose = false;
  try {
    const { values } = parseArgs({ options: { verbose: { type: 'boolean' }, help: { type: 'boolean' } } });
    if (values.help) {
      process.stdout.write(`${USAGE}\n`);
      return 0;
    }
    verbose = values.verbose ?? false;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}\n`);
    return 2;
  }

  const narrator = createNarrator();
  narrator.chapter('Supapush: from a row change to a push that a device decrypts');
  narrator.say('starting PostgreSQL, the API, the Edge Functions and a push service on this machine …');
  const stack = await startStack({
    handleSignals: true,
    ...(verbose ? { log: (line: string) => process.stderr.write(`${line}\n`) } : {}),
  });
  try {
    narrator.say(`ready: ${stack.url}`);
    await runMainJob(stack, narrator);
    narrator.chapter(
      `Done in ${narrator.elapsedSeconds().toFixed(1)} s. Next: npm run dev, and read README.md.`,
    );
    return 0;
  } catch (error) {
    process.stderr.write(`\n${error instanceof Error ? error.message : error}\n`);
    return 1;
  } finally {
    await stack.stop();
  }
}

process.exitCode = await main();
