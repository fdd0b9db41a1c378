// Loaded by Deno before an Edge Function of an app: what Supabase's Edge Runtime has and Deno has not. Plain JavaScript, as it goes
// into the package as it is.

globalThis.EdgeRuntime ??= {
  waitUntil(promise) {
    Promise.resolve(promise).catch((error) => console.error(error));
    return promise;
  },
};

// The older serve() of https://deno.land/std listens on port 8000 of every address. It is to listen where Deno.serve() would.
const [, hostname, port] = /^tcp:(.*):(\d+)$/.exec(Deno.env.get('DENO_SERVE_ADDRESS') ?? '') ?? [];
const listen = Deno.listen;
Deno.listen = (options) =>
  options.transport === 'unix' || hostname === undefined
    ? listen(options)
    : listen({ ...options, hostname, port: Number(port) });
