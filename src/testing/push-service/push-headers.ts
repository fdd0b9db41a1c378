import type { IncomingHttpHeaders } from 'node:http';
import { REFUSALS, type Refusal } from './refusal.ts';

const URGENCIES = ['very-low', 'low', 'normal', 'high'] as const;

/** RFC 8030 section 5.3. */
export type Urgency = (typeof URGENCIES)[number];

export type PushHeaders = {
  /** Seconds the message is kept for, capped at 30 days. */
  readonly ttl: number;
  readonly topic: string | null;
  readonly urgency: Urgency;
};

const MAX_TTL_SECONDS = 30 * 24 * 60 * 60;

/** Reads TTL, Topic and Urgency of a push message (RFC 8030 sections 5.2 to 5.4), or says what is wrong. */
export function readPushHeaders(headers: IncomingHttpHeaders): PushHeaders | Refusal {
  const { ttl, topic, urgency = 'normal' } = headers;
  if (ttl === undefined) return REFUSALS.missingTtl;
  if (typeof ttl !== 'string' || !/^\d+$/.test(ttl)) return REFUSALS.invalidTtl;
  if (topic !== undefined && (typeof topic !== 'string' || !/^[A-Za-z0-9_-]{1,32}$/.test(topic))) {
    return REFUSALS.invalidTopic;
  }
  const known = URGENCIES.find((candidate) => candidate === urgency);
  if (!known) return REFUSALS.invalidUrgency;
  return { ttl: Math.min(Number(ttl), MAX_TTL_SECONDS), topic: topic ?? null, urgency: known };
}
