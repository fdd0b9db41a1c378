import { createPushHealth } from '../../../src/server/functions/push-health.ts';

Deno.serve(
  createPushHealth({
    environment: Deno.env.toObject(),
    log: (entry) => console.log(JSON.stringify(entry)),
  }),
);
