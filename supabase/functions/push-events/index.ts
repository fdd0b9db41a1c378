import { createPushEvents } from '../../../src/server/functions/push-events.ts';

Deno.serve(
  createPushEvents({
    environment: Deno.env.toObject(),
    log: (entry) => console.log(JSON.stringify(entry)),
  }),
);
