import type { SupabaseClient } from '@supabase/supabase-js';
import { z } from 'zod';
import { SupapushError } from '../../shared/errors.ts';
import type { ClaimedDelivery, Outcome, Target } from '../channels/channel.ts';
import { storableText } from '../channels/storable-text.ts';
import type { Presentation } from '../notification/payload.ts';
import { queueError } from './database-error.ts';
import type { Database } from './types.generated.ts';

/** The outcome of one claimed delivery, on its way back to the queue. */
export interface DeliveryReport {
  deliveryId: number;
  claimNumber: number;
  outcome: Outcome;
}

/** What a claim hands over. */
export interface Claim {
  deliveries: ClaimedDelivery[];
  /** Reports about rows that are no delivery: they are under a lease as well, and must not take the others with them. */
  unreadable: DeliveryReport[];
  /** Push services that throttled some dispatcher lately, with what they accepted of one per second. */
  paces?: Record<string, number>;
}

/** What a dispatcher has enough of for now, and of what it wants how much. */
export interface Busy {
  /** Push services of which it wants nothing. */
  hosts: string[];
  /** Users of whom it wants nothing. */
  users: string[];
  /** How many deliveries it wants at most of the push services named here. */
  rooms?: Record<string, number>;
  /** Push services that throttle this dispatcher, with what they accept of it per second: remembered for others. */
  paces?: Record<string, number>;
}

/** The queue as a dispatcher sees it; every call is one RPC and throws what `queueError()` says when it fails. */
export interface DeliveryQueue {
  /** Takes up to `limit` due deliveries under a lease, none of those that are busy, and says that the dispatcher lives. */
  claim(dispatcher: string, limit: number, busy: Busy): Promise<Claim>;
  /** Reports what became of a batch. A report of a claim that is no longer the running one is ignored. */
  complete(reports: DeliveryReport[]): Promise<void>;
  /** Extends the lease of the dispatcher and of the deliveries it still works on. */
  heartbeat(dispatcher: string, deliveryIds: number[]): Promise<void>;
  /** Makes the deliveries of one more chunk of a topic's members; false when there was none to make. */
  fanOut(): Promise<boolean>;
  /** Whether the dispatcher may stop; `final` hands what is left over to another one. */
  leave(dispatcher: string, final: boolean): Promise<boolean>;
}

const claimNumbers = { delivery_id: z.number().int(), claim_number: z.number().int() };

const presentation = z
  .object({
    icon: z.string().exactOptional(),
    badge: z.string().exactOptional(),
    image: z.string().exactOptional(),
    actions: z
      .array(
        z.object({
          action: z.string(),
          title: z.string(),
          icon: z.string().exactOptional(),
          url: z.string().exactOptional(),
        }),
      )
      .exactOptional(),
    require_interaction: z.boolean().exactOptional(),
    silent: z.boolean().exactOptional(),
    vibrate: z.array(z.number()).exactOptional(),
    renotify: z.boolean().exactOptional(),
    app_badge: z.number().int().nonnegative().exactOptional(),
    sound: z.string().exactOptional(),
    channel: z.string().exactOptional(),
    thread: z.string().exactOptional(),
    interruption_level: z.enum(['passive', 'active', 'time-sensitive', 'critical']).exactOptional(),
  })
  .transform(
    ({
      require_interaction: requireInteraction,
      app_badge: appBadge,
      interruption_level: interruptionLevel,
      ...others
    }): Presentation => ({
      ...others,
      ...(requireInteraction === undefined ? {} : { requireInteraction }),
      ...(appBadge === undefined ? {} : { appBadge }),
      ...(interruptionLevel === undefined ? {} : { interruptionLevel }),
    }),
  );

const claimedMessage = z.object({
  ...claimNumbers,
  notification_id: z.string(),
  user_id: z.string(),
  host: z.string(),
  title: z.string(),
  body: z.string().nullable(),
  url: z.string().nullable(),
  params: z.record(z.string(), z.unknown()),
  category: z.string().nullable(),
  urgency: z.enum(['very-low', 'low', 'normal', 'high']),
  collapse_key: z.string().nullable(),
  tag: z.string().nullable(),
  position: z.number().int().nullable(),
  // A database of an earlier release does not say.
  receipts: z.boolean().default(true),
  ttl: z.number().int().nonnegative(),
  presentation: presentation.nullable(),
  app_url: z.string().nullable(),
});

const claimedTarget = z
  .discriminatedUnion('channel', [
    z.object({
      channel: z.literal('webpush'),
      endpoint: z.string(),
      p256dh: z.string(),
      auth: z.string(),
      vapid_key: z.string().nullable(),
    }),
    z.object({ channel: z.literal('fcm'), fcm_token: z.string() }),
  ])
  .transform((row): { target: Target } => {
    switch (row.channel) {
      case 'webpush': {
        const { vapid_key, ...keys } = row;
        return { target: { ...keys, vapidKey: vapid_key } };
      }
      case 'fcm':
        return { target: { channel: row.channel, token: row.fcm_token } };
    }
  });

const claimedRow = claimedMessage.and(claimedTarget);

/** A delivery as `push.hand_out()` gives it. Throws `ZodError` where it is none. */
export function readClaimedRow(row: unknown): ClaimedDelivery {
  return toDelivery(claimedRow.parse(row));
}

/** What push_claim is asked to answer in: a newer database can go on speaking the protocol that the caller knows. */
export const CLAIM_PROTOCOL = 1;
const claimAnswer = z.object({
  protocol: z.literal(CLAIM_PROTOCOL),
  // Whatever else a row holds, with these it can be reported.
  deliveries: z.array(z.looseObject(claimNumbers)),
  paces: z.record(z.string(), z.number()).exactOptional(),
});

/** What push_claim answered. Throws `queue_answer_malformed` where it is of another shape. */
export function readClaim(data: unknown): Claim {
  const answer = claimAnswer.safeParse(data);
  if (!answer.success) {
    throw new SupapushError(
      'queue_answer_malformed',
      `push_claim answered another shape than this function knows: ${said(answer.error)}. Run: supabase db push`,
    );
  }
  const claim: Claim = { deliveries: [], unreadable: [], paces: answer.data.paces ?? {} };
  for (const row of answer.data.deliveries) {
    const read = claimedRow.safeParse(row);
    if (read.success) claim.deliveries.push(toDelivery(read.data));
    else claim.unreadable.push(unreadable(row, read.error));
  }
  return claim;
}

/**
 * The delivery queue over supabase-js with the secret key (see `supabase/schemas/50_queue`).
 *
 * @param projectUrl what the platform calls this project: the queue gives nothing to one that it was not connected to
 */
export function createDeliveryQueue(client: SupabaseClient<Database>, projectUrl: string): DeliveryQueue {
  const project = new URL(projectUrl).origin;
  return {
    async claim(dispatcher, limit, busy) {
      const { data, error } = await client.rpc('push_claim', {
        p_dispatcher: dispatcher,
        p_limit: limit,
        p_busy_hosts: busy.hosts,
        p_busy_users: busy.users,
        p_protocol: CLAIM_PROTOCOL,
        p_project: project,
        p_rooms: busy.rooms ?? {},
        p_paces: busy.paces ?? {},
      });
      if (error) throw queueError('push_claim', error);
      return readClaim(data);
    },

    async complete(reports) {
      const { error } = await client.rpc('push_complete', { p_outcomes: reports.map(outcomeRow) });
      if (error) throw queueError('push_complete', error);
    },

    async heartbeat(dispatcher, deliveryIds) {
      const { error } = await client.rpc('push_heartbeat', {
        p_dispatcher: dispatcher,
        p_deliveries: deliveryIds,
      });
      if (error) throw queueError('push_heartbeat', error);
    },

    async fanOut() {
      const { data, error } = await client.rpc('push_fan_out');
      if (error) throw queueError('push_fan_out', error);
      return data === true;
    },

    async leave(dispatcher, final) {
      const { data, error } = await client.rpc('push_leave', { p_dispatcher: dispatcher, p_final: final });
      if (error) throw queueError('push_leave', error);
      return data === true;
    },
  };
}

/** A report as `push_complete` takes it. */
export function outcomeRow({ deliveryId, claimNumber, outcome }: DeliveryReport) {
  return {
    delivery_id: deliveryId,
    claim_number: claimNumber,
    outcome: outcome.outcome,
    status: outcome.status,
    ...('code' in outcome ? { code: outcome.code, message: outcome.message } : {}),
    ...('retryAfterSeconds' in outcome ? { retry_after: outcome.retryAfterSeconds } : {}),
  };
}

/** Tried again rather than failed: it may be this function that is older than the database, and not the row that is broken. */
function unreadable(row: { delivery_id: number; claim_number: number }, error: z.ZodError): DeliveryReport {
  const message = `push_claim gave this function a row that it cannot read: ${said(error)}`;
  return {
    deliveryId: row.delivery_id,
    claimNumber: row.claim_number,
    outcome: {
      outcome: 'retry',
      status: null,
      code: 'delivery_unreadable',
      message,
      retryAfterSeconds: null,
    },
  };
}

function said(error: z.ZodError): string {
  return storableText(z.prettifyError(error)).slice(0, 300).toWellFormed();
}

function toDelivery(row: z.infer<typeof claimedRow>): ClaimedDelivery {
  return {
    deliveryId: row.delivery_id,
    claimNumber: row.claim_number,
    userId: row.user_id,
    host: row.host,
    target: row.target,
    receipts: row.receipts,
    content: {
      notificationId: row.notification_id,
      title: row.title,
      body: row.body,
      url: row.url,
      params: row.params,
      category: row.category,
      collapseKey: row.collapse_key,
      tag: row.tag,
      position: row.position,
      presentation: row.presentation,
      appUrl: row.app_url,
    },
    urgency: row.urgency,
    ttl: row.ttl,
  };
}
