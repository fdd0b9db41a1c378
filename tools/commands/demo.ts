import { parseArgs } from 'node:util';
import { runMainJob } from '../demo/main-job.ts';
import { createNarrator } from '../demo/narrator.ts';
import { SCENARIOS, type Scenario } from '../demo/scenarios.ts';
import { startStack } from '../local/stack.ts';

const USAGE = `Usage: npm run demo [-- <example>] [--verbose]

Starts a local Supabase with a push service beside it, lets a row change become an encrypted push, and shows each
step. Needs nothing but this folder; leaves nothing behind. With the name of an example, acts that one out:

${Object.entries(SCENARIOS)
  .map(([name, { title }]) => `  ${name.padEnd(10)}${title}`)
  .join('\n')}

  --verbose   also print what the local stack does`;

const MAIN: Scenario = { title: 'from a row change to a push that a device decrypts', act: runMainJob };

function chosen([name, ...others]: string[]): Scenario {
  if (name === undefined) return MAIN;
  const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : undefined;
  if (scenario === undefined || others.length > 0) {
    const names = Object.keys(SCENARIOS).join(', ');
    throw new Error(
      others.length > 0 ? 'Choose one example.' : `There is no example "${name}". There are: ${names}.`,
    );
  }
  return scenario;
}

async function main(): Promise<number> {
  let verbose = false;
  let scenario = MAIN;
  try {
    const { values, positionals } = parseArgs({
      options: { verbose: { type: 'boolean' }, help: { type: 'boolean' } },
      allowPositionals: true,
    });
    if (values.help) {
      process.stdout.write(`${USAGE}\n`);
      return 0;
    }
    verbose = values.verbose ?? false;
    scenario = chosen(positionals);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}\n`);
    return 2;
  }

  const narrator = createNarrator();
  narrator.chapter(`Supapush: ${scenario.title}`);
  narrator.say('starting PostgreSQL, the API, the Edge Functions and a push service on this machine …');
  const stack = await startStack({
    handleSignals: true,
    ...scenario.needs,
    ...(verbose ? { log: (line: string) => process.stderr.write(`${line}\n`) } : {}),
  });
  try {
    narrator.say(`ready: ${stack.url}`);
    await scenario.act(stack, narrator);
    narrator.chapter(
      `Done in ${narrator.elapsedSeconds().toFixed(1)} s. Next: npm run dev, and read docs/start/frontend.md.`,
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
