import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { basicEnvironment, runProgram } from '../../../tools/quality/run-program.ts';
import { runSupabase } from '../../../tools/quality/supabase-cli.ts';
import { withTemporaryFolder } from '../../../tools/quality/temporary-folder.ts';
import { codeBlocksOf } from '../../support/code-blocks.ts';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
const PAGE = 'docs/start/environments.md';

interface Step {
  uses?: string;
  run?: string;
}
interface Job {
  'runs-on': string;
  needs?: string;
  steps: Step[];
}

const blocks = codeBlocksOf(PAGE, await readFile(PAGE, 'utf8'));
const workflow = parse(blocks.find(({ language }) => language === 'yaml')?.text ?? '') as {
  on: { push: { branches: string[] } };
  jobs: Record<string, Job>;
};
const jobs = Object.values(workflow.jobs);
const steps = jobs.flatMap((job) => job.steps);
/** Every call of a command line, from the workflow and from what is done once. */
const calls = [
  ...steps.flatMap(({ run }) => run ?? []),
  ...blocks.filter(({ language }) => language === 'sh').flatMap(({ text }) => text.trim().split('\n')),
];
const callsOf = (name: string): string[][] =>
  calls.filter((call) => call.startsWith(`npx ${name} `)).map((call) => call.split(' ').slice(2));

/** The options of a call that the command's own help does not name. */
const unknownOptions = (call: string[], help: string): string[] =>
  call.filter((word) => word.startsWith('--') && !new RegExp(`${word}\\b`).test(help));

test('jobs have steps that do one thing each, and need jobs that there are', () => {
  expect(jobs.length).toBe(2);
  expect(workflow.on.push.branches).toEqual(['main', 'production']);
  for (const job of jobs) {
    expect(job['runs-on']).toBe('ubuntu-latest');
    if (job.needs !== undefined) expect(Object.keys(workflow.jobs)).toContain(job.needs);
  }
  for (const step of steps) expect(Number('uses' in step) + Number('run' in step)).toBe(1);
});

test('calls of supapush name commands and options that it has', async () => {
  expect(callsOf('supapush').map(([command]) => command)).toEqual(['doctor', 'status', 'secrets', 'connect']);
  for (const call of callsOf('supapush')) {
    const { output, exitCode } = await runProgram(
      process.execPath,
      ['src/cli/supapush.ts', call[0] ?? '', '--help'],
      { cwd: PROJECT, environment: basicEnvironment() },
    );
    expect([exitCode, unknownOptions(call, output)], call.join(' ')).toEqual([0, []]);
  }
  expect(unknownOptions(['doctor', '--onyl'], 'Usage: --only')).toEqual(['--onyl']);
});

test('calls of the Supabase CLI name commands that it has, and all our functions', async () => {
  const found = callsOf('supabase');
  expect(found.length).toBeGreaterThan(6);
  // Each call of it takes seconds. The options of `db push`, `secrets set` and `functions deploy` are used by other tests.
  const help = await withTemporaryFolder(async (folder) => {
    const options = { project: folder, home: folder };
    const asked = [await runSupabase(['--help'], options), await runSupabase(['link', '--help'], options)];
    return asked.map(({ output }) => output).join('\n');
  });
  for (const [command = ''] of found) expect(help).toMatch(new RegExp(`^ +${command} `, 'm'));
  for (const call of found.filter(([command]) => command === 'link'))
    expect(unknownOptions(call, help)).toEqual([]);
  expect(help).toMatch(/^ +--yes /m);
  for (const call of found.filter(([command]) => command === 'functions'))
    expect(call.slice(2)).toEqual([
      'push-dispatch',
      'push-events',
      'push-health',
      'push-quotes',
      '--use-api',
    ]);
});
