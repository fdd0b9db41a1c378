import { expect, test } from 'vitest';
import { isRunning } from '../../../tools/local/postgres/server-process.ts';
import { basicEnvironment, runProgram, startProgram } from '../../../tools/quality/run-program.ts';
import { eventually } from '../../support/eventually.ts';

// A small script around a program, as those in node_modules/.bin are; says the program's process id.
const WRAPPER = `
  const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  console.log(child.pid);
`;
const options = { cwd: process.cwd(), environment: basicEnvironment() };

test('an exit code and both streams are results', async () => {
  const script = "console.log('out'); console.error('err'); process.exit(3)";
  const lines: string[] = [];
  const result = await runProgram(process.execPath, ['-e', script], {
    ...options,
    onLine: (line) => lines.push(line),
  });
  expect(result).toMatchObject({ exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
  expect(lines.sort()).toEqual(['err', 'out']);
});

test('ending a program ends what it started', async () => {
  const grandchild = Promise.withResolvers<number>();
  const program = startProgram(process.execPath, ['-e', WRAPPER], {
    ...options,
    onLine: (line) => grandchild.resolve(Number(line)),
  });
  const pid = await grandchild.promise;
  program.end();
  expect((await program.ended).exitCode).toBeUndefined();
  await eventually(
    () => isRunning(pid),
    (alive) => !alive,
  );
});

test('a program that does not end in its time is ended, and the error carries what it said', async () => {
  const script = "console.log('still busy'); setInterval(() => {}, 1000)";
  const running = runProgram(process.execPath, ['-e', script], { ...options, timeoutMs: 1_000 });
  await expect(running).rejects.toMatchObject({
    code: 'program_timed_out',
    message: expect.stringContaining('still busy'),
  });
});

test('a program that is not there is an error', async () => {
  await expect(runProgram('no-such-program', [], options)).rejects.toMatchObject({
    code: 'program_not_started',
  });
});
