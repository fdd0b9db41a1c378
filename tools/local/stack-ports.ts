import { isLoopbackPortFree } from './loopback-port.ts';
import type { StackState } from './stack-state.ts';

/** The ports of a stack that others connect to. */
export interface StackPorts {
  gateway?: number | undefined;
  database?: number | undefined;
  pushService?: number | undefined;
  quoteServer?: number | undefined;
}

/** A port that was asked for is taken or fails; one of the last run, or one that is preferred, is taken where it is free. */
export async function choosePorts(
  asked: StackPorts,
  state: StackState,
  preferred: StackPorts = {},
): Promise<StackPorts> {
  const again = async (port: number | undefined): Promise<number | undefined> =>
    port !== undefined && (await isLoopbackPortFree(port)) ? port : undefined;
  const [gateway, database, pushService, quoteServer] = await Promise.all([
    asked.gateway ?? again(state.ports?.gateway ?? preferred.gateway),
    asked.database ?? again(state.ports?.database ?? preferred.database),
    asked.pushService ?? again(state.ports?.pushService ?? preferred.pushService),
    asked.quoteServer ?? again(state.ports?.quoteServer ?? preferred.quoteServer),
  ]);
  return { gateway, database, pushService, quoteServer };
}
