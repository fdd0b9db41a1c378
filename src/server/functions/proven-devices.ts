import type { SubscriptionKeys } from '../../shared/device-message.ts';
import type { DeviceEvents } from '../database/device-events.ts';
import { createRounds } from './rounds.ts';

// Twenty look-ups a second and worker, of 200 devices each: more than a worker can read requests. A round of devices that are
// unknown costs the database about as much as one request of a user.
const ROUNDS = { everyMs: 50, maxPerRound: 200, maxWaiting: 2000 };

// What the table has in these columns, and nothing else can be equal to.
const ENDPOINT = /^[!-~]+$/;
const P256DH = /^[\w-]{87}$/;
const AUTH = /^[\w-]{22}$/;

/**
 * Finds out which device a request proves by its keys: its id, or null for wrong keys and for devices that are unknown. An
 * attacker may ask, too, so all requests at the same time share one look-up, which locks nothing. There is no limit by source
 * address: an attacker chooses what a request says of its source, and all users behind one router share an address.
 */
export function createProvenDevices(
  events: Pick<DeviceEvents, 'prove'>,
): (device: SubscriptionKeys) => Promise<string | null> {
  const ask = createRounds({ ask: (devices: SubscriptionKeys[]) => events.prove(devices), ...ROUNDS });
  return async (device) => {
    const { endpoint, p256dh, auth } = device;
    return ENDPOINT.test(endpoint) && P256DH.test(p256dh) && AUTH.test(auth) ? await ask(device) : null;
  };
}
