import { z } from 'zod';
import { SupapushError } from '../shared/errors.ts';
import type { DeviceMessage } from './push-service/virtual-device.ts';

/** A message as it reached a device. */
export type TestMessage = {
  readonly title: string;
  readonly body: string | null;
  /** Where a click leads; `/` where the message says nothing. */
  readonly url: string;
  /** Showing it takes the place of the one with the same tag. */
  readonly tag: string;
  /** What the sender gave along. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly notificationId: string;
  readonly category: string | null;
  /** The whole content, a Declarative Web Push message: icon, actions and all else. */
  readonly content: unknown;
  /** How it came: TTL in seconds, topic, urgency, the times. */
  readonly push: DeviceMessage;
};

const shape = z.object({
  notification: z.object({
    title: z.string(),
    body: z.string().optional(),
    navigate: z.string(),
    tag: z.string(),
    data: z.looseObject({
      supapush: z.object({ notification_id: z.string(), category: z.string().optional() }),
    }),
  }),
});

/** Reads what a device has decrypted. Throws `body_malformed` where it is no message of Supapush. */
export function readTestMessage(push: DeviceMessage): TestMessage {
  const read = shape.safeParse(push.json);
  if (!read.success) {
    throw new SupapushError(
      'body_malformed',
      `The device got a push that is no message of Supapush: ${z.prettifyError(read.error)}`,
    );
  }
  const { title, body, navigate, tag, data } = read.data.notification;
  const { supapush, ...params } = data;
  return {
    title,
    body: body ?? null,
    url: navigate,
    tag,
    params,
    notificationId: supapush.notification_id,
    category: supapush.category ?? null,
    content: push.json,
    push,
  };
}
