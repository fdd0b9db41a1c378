import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startFunctionServer } from '../../../tools/local/functions/function-server.ts';

test('what a function says as it fails is in the log, and not in an answer that any page may read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'supapush-failed-'));
  const entrypoint = join(folder, 'index.ts');
  await writeFile(entrypoint, `console.error('the key is sb_secret_x'); throw new Error('broken');`);
  const log: string[] = [];
  const functions = startFunctionServer({
    functions: [{ name: 'broken', verifyJwt: false, entrypoint }],
    projectDirectory: folder,
    jwtSecret: 'secret',
    platform: {},
    secrets: {},
    onLog: ({ line }) => void log.push(line),
  });
  const server = createServer((request, response) => void functions.handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    await functions.stop();
    server.close();
    await rm(folder, { recursive: true });
  });
  const answer = await fetch(
    `http://127.0.0.1:${(server.address() as AddressInfo).port}/functions/v1/broken`,
  );
  expect(answer.status).toBe(503);
  expect(await answer.json()).toEqual({
    code: 'function_failed_to_start',
    message: 'Function broken does not start. The log of the stack says why.',
  });
  expect(log.join('\n')).toContain('sb_secret_x');
});
