import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { answerRequests } from '../../../src/server/functions/answer-requests.ts';
import { SupapushError } from '../../../src/shared/errors.ts';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

test.each<[string, () => Promise<Response>, number]>([
  ['an answer', async () => Response.json({}), 200],
  ['a refusal', () => Promise.reject(new SupapushError('bell_refused')), 401],
  ['a fault', () => Promise.reject(new Error('broken')), 500],
])('%s says of which release the function is', async (_, answer, status) => {
  const handle = answerRequests({ name: 'push-dispatch', log: () => undefined }, answer);
  const response = await handle(new Request('https://example.com'));
  expect([response.status, response.headers.get('x-supapush-version')]).toEqual([status, version]);
});
