import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { runCommand } from '../../../src/cli/run-command.ts';
import { SupapushError } from '../../../src/shared/errors.ts';

let written: { stdout: string; stderr: string };
const exitCodeBefore = process.exitCode;
beforeEach(() => {
  written = { stdout: '', stderr: '' };
  process.exitCode = undefined;
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += text;
      return true;
    });
  }
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = exitCodeBefore;
});

const run = async (command: () => Promise<string>) => {
  await runCommand('Usage: this', command);
  return { ...written, code: process.exitCode };
};
const fails = (error: unknown) => run(() => Promise.reject(error));

describe('a command', () => {
  test('prints its text', async () => {
    expect(await run(async () => 'done')).toEqual({ stdout: 'done\n', stderr: '', code: undefined });
  });

  test.each([
    ['an error', new Error('broken'), 'broken\n'],
    ['something else', 'broken', 'broken\n'],
    [
      'a host of two addresses',
      new AggregateError([new Error('refused by ::1'), new Error('refused by 127.0.0.1')]),
      'refused by ::1; refused by 127.0.0.1\n',
    ],
    ['an error of ours', new SupapushError('queue_unreachable', 'away'), 'away\n'],
  ])('that fails with %s prints the reason alone, exit code 1', async (_, error, stderr) => {
    expect(await fails(error)).toEqual({ stdout: '', stderr, code: 1 });
  });

  test.each([
    ['said so itself', new SupapushError('usage', 'Give more.'), 'Give more.'],
    [
      'has unknown options',
      Object.assign(new TypeError("Unknown option '--x'"), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' }),
      "Unknown option '--x'",
    ],
  ])('called wrongly, which %s, prints the usage, exit code 2', async (_, error, reason) => {
    expect(await fails(error)).toEqual({ stdout: '', stderr: `${reason}\n\nUsage: this\n`, code: 2 });
  });
});
