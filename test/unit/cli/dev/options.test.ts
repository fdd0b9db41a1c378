import { expect, test } from 'vitest';
import { readCloneDevOptions, readDevOptions } from '../../../../src/cli/dev/options.ts';

test('an app has no page, a clone has one unless another project is named', () => {
  expect(readDevOptions(['--json', '--skip-missing', '--port', '54321', '--workdir', 'apps'])).toEqual({
    json: true,
    reset: false,
    skipMissing: true,
    ports: { gateway: 54_321, database: undefined, pushService: undefined },
    workdir: 'apps',
  });
  expect(readCloneDevOptions(['--page-port', '5190'])).toMatchObject({ page: true, pagePort: 5190 });
  expect(readCloneDevOptions(['--project', '../app'])).toMatchObject({ page: false, project: '../app' });
});

test.each([[['--port', '0']], [['--database-port=many']], [['--push-port', '65536']]])(
  '%j is called wrongly',
  (args) => {
    expect(() => readDevOptions(args)).toThrow(expect.objectContaining({ code: 'usage' }));
  },
);

test.each([['--page-port=1'], ['--project=.'], ['stray']])('an app does not take %s', (arg) => {
  expect(() => readDevOptions([arg])).toThrow(arg.replace(/=.*/, ''));
});
