import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { printSteps, summarize } from './print-steps.ts';
import { SILENT, type StepListener, type StepResult } from './steps.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

const OPTIONS = `
  --json                print one line of JSON: {ok, steps: [{name, ok, problems, milliseconds}]}
  --verbose             also show what the programs it runs say
  --project <folder>    the folder with supabase/ in it (this project)
  --help                this text

Exit codes: 0 all passed, 1 something failed, 2 wrong usage.
`;

/** A command that takes steps with a project and reports them, to people or (`--json`) to programs. */
export async function runStepsCommand(
  usage: string,
  take: (project: string, listener: StepListener) => Promise<StepResult[]>,
): Promise<void> {
  // Ended by a signal, the process still takes with it what it started: that hangs on its exit.
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  const flags = readFlags(usage);
  if (!flags) return;
  const listener = flags.json ? SILENT : printSteps({ verbose: flags.verbose });
  const results = await take(flags.project, listener).catch((error: unknown) => stopped(error, listener));
  const ok = results.every((result) => result.ok);
  console.log(flags.json ? JSON.stringify({ ok, steps: results }) : `\n${summarize(results)}`);
  if (!ok) process.exitCode = 1;
}

/** An error outside of every step, such as a database that does not start. */
function stopped(error: unknown, listener: StepListener): StepResult[] {
  const problem = error instanceof Error ? error.message : String(error);
  const result = { name: 'it stopped before its end', ok: false, problems: [problem], milliseconds: 0 };
  listener.ended(result);
  return [result];
}

function readFlags(usage: string): { json: boolean; verbose: boolean; project: string } | undefined {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
        project: { type: 'string', default: PROJECT },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (!values.help) return { ...values, project: resolve(values.project) };
    process.stdout.write(`${usage}${OPTIONS}`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}${OPTIONS}`);
    process.exitCode = 2;
  }
  return undefined;
}
