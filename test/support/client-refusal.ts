import { PushClientError } from '../../src/device/client/push-client-error.ts';

/** What the client rejects with: a code, a message and what to do, each of which is there. */
export async function clientRefusalOf(call: Promise<unknown>): Promise<PushClientError> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof PushClientError) || !error.message || !error.hint) throw error;
    return error;
  }
  throw new Error('The call was expected to be refused, and went through.');
}
