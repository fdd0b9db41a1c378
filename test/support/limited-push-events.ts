// push-events with the limits for bodies that a test gives it in BODY_LIMITS, as JSON.
import process from 'node:process';
import { createPushEvents } from '../../src/server/functions/push-events.ts';

const deno = (globalThis as unknown as { Deno: { serve(handler: unknown): void } }).Deno;

deno.serve(
  createPushEvents(
    { environment: process.env, log: (entry) => console.log(JSON.stringify(entry)) },
    JSON.parse(process.env.BODY_LIMITS ?? '{}'),
  ),
);
