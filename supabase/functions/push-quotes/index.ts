import { createPushQuotes } from '../../../src/server/functions/push-quotes.ts';

// Hosted workers live as long as the promises they are told of; a plain Deno server lives anyway.
const runtime = (globalThis as { EdgeRuntime?: { waitUntil(work: Promise<unknown>): void } }).EdgeRuntime;

Deno.serve(
  createPushQuotes({
    environment: Deno.env.toObject(),
    waitUntil: (work) => runtime?.waitUntil(work),
    log: (entry) => console.log(JSON.stringify(entry)),
    resolve: Deno.resolveDns ? (name, type, options) => Deno.resolveDns(name, type, options) : undefined,
  }),
);
