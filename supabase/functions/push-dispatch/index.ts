import { createPushDispatch } from '../../../src/server/functions/push-dispatch.ts';

// Hosted workers live as long as the promises they are told of; a plain Deno server lives anyway.
const runtime = (globalThis as { EdgeRuntime?: { waitUntil(work: Promise<unknown>): void } }).EdgeRuntime;

Deno.serve(
  createPushDispatch({
    environment: Deno.env.toObject(),
    limited: runtime !== undefined,
    waitUntil: (work) => runtime?.waitUntil(work),
    log: (entry) => console.log(JSON.stringify(entry)),
  }),
);
