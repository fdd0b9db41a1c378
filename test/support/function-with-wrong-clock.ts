// push-dispatch in a process whose clock is off by CLOCK_OFF_BY_MS: everything in it is told the wrong time.
const off = Number(process.env.CLOCK_OFF_BY_MS);
const RealDate = Date;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, parameters) =>
    parameters.length === 0 ? new target(RealDate.now() + off) : new target(...(parameters as [number])),
  get: (target, name) => (name === 'now' ? () => RealDate.now() + off : Reflect.get(target, name)),
});

await import(new URL('../../supabase/functions/push-dispatch/index.ts', import.meta.url).href);
