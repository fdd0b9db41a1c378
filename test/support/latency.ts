/** How long calls took, in milliseconds. */
export interface Latency {
  calls: number;
  p50: number;
  p95: number;
  max: number;
}

/** Makes one call after the other until `over` says so, and says how long they took; prints it under a name. */
export async function measureLatency(
  name: string,
  call: () => Promise<unknown>,
  over: (calls: number) => boolean,
): Promise<Latency> {
  const times: number[] = [];
  while (!over(times.length)) {
    const began = performance.now();
    await call();
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0);
  const latency = { calls: times.length, p50: at(0.5), p95: at(0.95), max: at(1) };
  console.log(
    `${name}: ${latency.calls} calls, p50 ${latency.p50} ms, p95 ${latency.p95} ms, max ${latency.max} ms`,
  );
  return latency;
}
