import { SupapushError } from '../../shared/errors.ts';
import type { Channel, Channels } from '../channels/channel.ts';
import { createFcmChannel } from '../channels/fcm/fcm-channel.ts';
import { importServiceAccount } from '../channels/fcm/service-account.ts';
import { createReceiptTokens, type ReceiptTokens } from '../channels/receipt-tokens.ts';
import { createUnconfiguredChannel } from '../channels/unconfigured-channel.ts';
import { importAllVapidKeys } from '../channels/webpush/vapid-keys.ts';
import { createWebPushChannel } from '../channels/webpush/webpush-channel.ts';
import type { SendingEnvironment } from './environment.ts';

export interface SendingChannels {
  channels: Channels;
  /** What keeps one channel from working; the others work all the same. */
  problem: SupapushError | undefined;
}

/**
 * The channels of a project. Throws `vapid_keys_invalid` where a pair is none.
 *
 * @param now milliseconds since the epoch, by a clock that push services agree with
 */
export async function createSendingChannels(
  { supabaseUrl, vapid, fcmServiceAccount, padding }: SendingEnvironment,
  now: () => number,
): Promise<SendingChannels> {
  const signers = await importAllVapidKeys(vapid);
  const receipts = await createReceiptTokens(vapid, supabaseUrl);
  const fcm = await buildFcm(fcmServiceAccount, receipts, now);
  return {
    problem: fcm.problem,
    channels: {
      webpush: createWebPushChannel({ signers, receipts, padding, now }),
      fcm: fcm.channel,
    },
  };
}

/** FCM is one channel of two: without a usable account its deliveries wait, and web push goes on. */
async function buildFcm(
  serviceAccount: string | undefined,
  receipts: ReceiptTokens,
  now: () => number,
): Promise<{ channel: Channel<'fcm'>; problem?: SupapushError }> {
  if (serviceAccount === undefined) {
    return {
      channel: createUnconfiguredChannel('FCM_SERVICE_ACCOUNT is not set. Run: supabase secrets set'),
    };
  }
  try {
    return {
      channel: createFcmChannel({ account: await importServiceAccount(serviceAccount), receipts, now }),
    };
  } catch (error) {
    if (!(error instanceof SupapushError)) throw error;
    return { channel: createUnconfiguredChannel(error.message), problem: error };
  }
}
