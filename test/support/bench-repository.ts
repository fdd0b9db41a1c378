import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  basicEnvironment,
  type ProgramResult,
  type RunningProgram,
  runProgram,
  startProgram,
} from '../../tools/quality/run-program.ts';

const RUN = fileURLToPath(new URL('../bench/run.ts', import.meta.url));
/** The bench command, on the benches beside it. */
export const BENCH_ENTRY = `process.argv.push('--folder', import.meta.dirname);\nawait import(${JSON.stringify(RUN)});\n`;

/** A git repository of benches that tests write. */
export interface BenchRepository {
  folder: string;
  /** Writes files, by their paths in it. */
  write(files: Record<string, string>): Promise<void>;
  /** Commits all there is, and resolves with the abbreviated hash. */
  commit(): Promise<string>;
  /** Runs its bench command. */
  bench(...args: string[]): Promise<ProgramResult>;
  start(...args: string[]): RunningProgram;
  /** The folders of git's worktrees besides the repository itself, also those that are gone. */
  worktrees(): Promise<string[]>;
  remove(): Promise<void>;
}

/** Makes one with the bench command and no bench. */
export async function makeBenchRepository(): Promise<BenchRepository> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'supapush-against-')));
  const environment = basicEnvironment();
  const git = async (...args: string[]): Promise<string> => {
    const who = ['-c', 'user.name=Bench', '-c', 'user.email=bench@example.com', '-c', 'commit.gpgsign=false'];
    const { exitCode, output } = await runProgram('git', [...who, ...args], { cwd: folder, environment });
    if (exitCode !== 0) throw new Error(output);
    return output.trim();
  };
  const write = async (files: Record<string, string>) => {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
  };
  const start = (...args: string[]) =>
    startProgram(process.execPath, ['test/bench/run.ts', ...args], { cwd: folder, environment });
  await git('init', '--quiet');
  await write({
    'test/bench/run.ts': BENCH_ENTRY,
    '.gitignore': 'node_modules\n',
    'package.json': '{"type":"module"}',
  });
  return {
    folder,
    write,
    start,
    commit: async () => {
      await git('add', '--all');
      await git('commit', '--quiet', '--message', 'A state to compare with');
      return await git('rev-parse', '--short', 'HEAD');
    },
    bench: (...args) => start(...args).ended,
    worktrees: async () => {
      const list = await git('worktree', 'list', '--porcelain');
      return list
        .split('\n')
        .flatMap((line) => (line === `worktree ${folder}` ? [] : (line.match(/^worktree (.*)/)?.[1] ?? [])));
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The text of a bench that measures a time and a rate; `before` runs first, in its module. */
export function speedBench(milliseconds: number | string, perSecond: number | string, before = ''): string {
  return `${before}
    export default {
      summary: 'Planted.',
      compared: [
        { name: 'taken', kind: 'time', row: 'ours', column: 'ms' },
        { name: 'done', kind: 'rate', row: 'ours', column: 'jobs/s' },
      ],
      run: async () => ({
        columns: ['side', 'ms', 'jobs/s'],
        rows: [['theirs', 1, 1], ['ours', ${milliseconds}, ${perSecond}]],
        marks: [{ name: 'its_own', value: 1, atLeast: 2 }],
      }),
    };`;
}
