// A program that runs a stack until it is ended in the way the test chose. Prints one line of JSON when ready.

import { dirname } from 'node:path';
import { startStack } from '../../../tools/local/stack.ts';

const [projectDirectory = '', ending = '', cluster] = process.argv.slice(2);
const stack = await startStack({ projectDirectory, handleSignals: true, ...(cluster && { cluster }) });
process.stdout.write(
  `${JSON.stringify({
    pids: stack.pids(),
    folder: dirname(stack.postgres.directory),
    ports: [stack.url, stack.databaseUrl, stack.pushServiceUrl].map((url) => Number(new URL(url).port)),
  })}\n`,
);
process.stdin.once('data', () => {
  if (ending === 'exit') process.exit(3);
  if (ending === 'throw') throw new Error('nobody catches this');
  if (ending === 'reject') void Promise.reject(new Error('nobody catches this'));
});
