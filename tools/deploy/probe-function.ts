import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { parseJson } from '../../src/shared/parse-json.ts';
import { denoBinary } from '../local/functions/deno-binary.ts';
import { freeLoopbackPort } from '../local/loopback-port.ts';
import { type ProgramResult, startProgram } from '../quality/run-program.ts';
import { denoEnvironment, resolutionFlags } from './deno-runtime.ts';
import { plausibleEnvironment } from './plausible-environment.ts';
import type { UploadedFunction } from './uploaded-function.ts';

/** Long enough to download the function's packages on a slow line. */
const START_LIMIT_MS = 120_000;
const ANSWER_LIMIT_MS = 10_000;

const health = z.object({ status: z.literal('ok') });

/**
 * Starts an uploaded function under Deno in the folder it was laid out in, reading nothing outside of it, and asks
 * for its health: `GET` has to answer 200 with `status: "ok"`. Returns what is wrong.
 *
 * @param more further flags of `deno run`
 */
export async function probeFunction(
  upload: UploadedFunction,
  folder: string,
  more: readonly string[] = [],
): Promise<string[]> {
  const port = await freeLoopbackPort();
  const args = [
    'run',
    '--no-prompt',
    ...resolutionFlags(upload),
    '--allow-net',
    '--allow-env',
    `--allow-read=${folder}`,
    ...more,
    upload.entrypoint,
  ];
  const program = startProgram(denoBinary(), args, {
    cwd: folder,
    environment: {
      ...denoEnvironment(),
      ...plausibleEnvironment(),
      DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}`,
    },
    timeoutMs: START_LIMIT_MS,
  });
  let early: ProgramResult | Error | undefined;
  const ended = program.ended.then(
    (result) => {
      early = result;
    },
    (error: Error) => {
      early = error;
    },
  );
  try {
    for (;;) {
      const answer = await ask(`http://127.0.0.1:${port}/${upload.slug}`);
      if (answer) return judge(answer);
      if (early instanceof Error) return [early.message];
      if (early) return [`it ended before it served (exit code ${early.exitCode}):\n${early.output.trim()}`];
      await Promise.race([ended, delay(50)]);
    }
  } finally {
    program.end();
    await ended;
  }
}

interface Answer {
  status: number;
  body: string;
}

/** Undefined as long as no server listens there. */
async function ask(url: string): Promise<Answer | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS), redirect: 'manual' });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') {
      return { status: 0, body: `no answer within ${ANSWER_LIMIT_MS} ms` };
    }
    return undefined;
  }
}

function judge({ status, body }: Answer): string[] {
  if (status !== 200) return [`GET answered ${status || 'nothing'}: ${body.slice(0, 500)}`];
  return health.safeParse(parseJson(body)).success
    ? []
    : [`GET answered 200 without "status": "ok": ${body.slice(0, 500)}`];
}
