import type { Channel, ClaimedDelivery, Outcome } from '../../../src/server/channels/channel.ts';

/** How push services behave, by their origins. */
export interface Behaviour {
  /** Milliseconds until it answers. */
  answersAfter: number;
  /** What it admits per second, in any tenth of one a tenth; beyond that it answers 429. Everything, unless given. */
  admits?: number;
}

export interface Counted {
  accepted: number;
  refused: number;
}

const TENTHS = 10;
const ACCEPTED: Outcome = { outcome: 'sent', status: 201 };
const REFUSED: Outcome = {
  outcome: 'retry',
  status: 429,
  code: 'throttled',
  message: '',
  retryAfterSeconds: 1,
};

/** A channel that costs nothing: push services that only answer, as slowly as they are said to. */
export function createSimulatedServices(behaviourOf: (host: string) => Behaviour): {
  channel: Channel<'webpush'> & Channel<'fcm'>;
  counted: Counted;
} {
  const counted: Counted = { accepted: 0, refused: 0 };
  const buckets = new Map<string, { left: number; at: number }>();

  const admits = (host: string, perSecond: number): boolean => {
    const now = performance.now();
    const bucket = buckets.get(host) ?? { left: perSecond / TENTHS, at: now };
    bucket.left = Math.min(perSecond / TENTHS, bucket.left + ((now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    buckets.set(host, bucket);
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  };

  return {
    counted,
    channel: {
      send({ host }: ClaimedDelivery) {
        const { answersAfter, admits: perSecond } = behaviourOf(host);
        const isAccepted = perSecond === undefined || admits(host, perSecond);
        const answer = () => {
          if (isAccepted) counted.accepted += 1;
          else counted.refused += 1;
          return isAccepted ? ACCEPTED : REFUSED;
        };
        return new Promise((resolve) => {
          if (answersAfter === 0) setImmediate(() => resolve(answer()));
          else setTimeout(() => resolve(answer()), answersAfter);
        });
      },
    },
  };
}
