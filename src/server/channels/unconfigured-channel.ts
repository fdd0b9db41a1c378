import type { Channel } from './channel.ts';

/**
 * Stands where a channel has no credentials. Nothing is sent and nothing is lost: deliveries wait while an alarm says
 * `reason`, which never carries a secret.
 */
export function createUnconfiguredChannel(reason: string): Channel {
  return {
    send: async () => ({
      outcome: 'misconfigured',
      status: null,
      code: 'channel_not_configured',
      message: reason,
    }),
  };
}
