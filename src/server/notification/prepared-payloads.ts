import { type NotificationContent, type PreparedPayload, preparePayload } from './payload.ts';

// A claim brings the deliveries of one notification together; what was prepared for earlier ones is seldom asked for again.
const MAX_NOTIFICATIONS = 200;

/**
 * Prepares each notification once, however many devices get it: shortening a long text costs a third of an encryption.
 * In every language in which it is sent, and anew when it has changed since.
 */
export function createPreparedPayloads(
  prepare: (content: NotificationContent) => PreparedPayload = preparePayload,
): (content: NotificationContent) => PreparedPayload {
  const prepared = new Map<string, { content: NotificationContent; payload: PreparedPayload }[]>();
  return (content) => {
    // A badge is of one user, so that the messages of one notification differ in it: each number is looked for by itself.
    const key = `${content.notificationId} ${content.presentation?.appBadge ?? ''}`;
    const known = prepared.get(key);
    const same = known?.find((one) => isSame(one.content, content));
    if (same !== undefined) return same.payload;
    const payload = prepare(content);
    if (known !== undefined && known.length < MAX_NOTIFICATIONS) known.push({ content, payload });
    else {
      if (prepared.size >= MAX_NOTIFICATIONS) prepared.clear();
      prepared.set(key, [{ content, payload }]);
    }
    return payload;
  };
}

function isSame(one: NotificationContent, other: NotificationContent): boolean {
  return (
    one.title === other.title &&
    one.body === other.body &&
    one.url === other.url &&
    one.category === other.category &&
    one.collapseKey === other.collapseKey &&
    one.tag === other.tag &&
    one.position === other.position &&
    one.appUrl === other.appUrl &&
    JSON.stringify(one.params) === JSON.stringify(other.params) &&
    JSON.stringify(one.presentation) === JSON.stringify(other.presentation)
  );
}
