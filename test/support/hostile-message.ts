import { createKeys, createSubscription, type SubscriptionInput } from './subscriptions.ts';

/** A piece of JSON that no value of JavaScript becomes, such as `1e400`. */
class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const TEXTS = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  'a\udfffb',
  '\u0001\u001f\u007f\u0085',
  '\ufffe\uffff\u2028',
  '\\u0000',
  "'; drop table public.push_subscriptions; --",
  '$1',
  '%00',
  '__proto__',
  'constructor',
  '..',
  'null',
  'NaN',
  '1.2',
  '999999999999999999.AAAAAAAAAAAAAAAAAAAAAA',
  '99999999999999999999.AAAAAAAAAAAAAAAAAAAAAA',
  '9999-12-31T23:59:60Z',
  '-infinity',
  'https://fcm.googleapis.com/',
  'https://fcm.googleapis.com/fcm/send/\u0000',
  'https://fcm.googleapis.com/fcm/send/\ud83d',
  'https://fcm.googleapis.com/fcm/send/ä€😀',
  'https://fcm.googleapis.com/v1/projects/x',
  'https://fcm.googleapis.com.evil.example/x',
  'https://user:word@fcm.googleapis.com/x',
  'http://169.254.169.254/latest/meta-data',
  'file:///etc/passwd',
  'permanently-removed.invalid',
  'clicked',
  'displayed',
  'x'.repeat(2048),
  '€'.repeat(2048),
  '😀'.repeat(700),
  'A'.repeat(87),
  `B${'A'.repeat(86)}`,
  'A'.repeat(22),
  '-_'.repeat(11),
];
const RAWS = [
  '1e400',
  '-1e400',
  '1e-400',
  '9223372036854775808',
  '-0',
  '00',
  '0x1',
  'NaN',
  "'x'",
  '"\\x"',
  '"\\ud800"',
  '',
];
const CHARACTERS = [
  '\u0000',
  '\ud800',
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\n',
  '\ufeff',
  '0',
  'e',
  '-',
  'u',
];

/** One POST that a stranger might send. */
export interface HostileMessage {
  body: string | Uint8Array<ArrayBuffer>;
  contentType: string;
  /** What the body asks for, as long as it was not spoiled: the subscription that the device has if the answer is 200. */
  renewed: SubscriptionInput | undefined;
}

/**
 * A message that resembles what a device says, in the name of a registered device or of none, and is spoiled in one place
 * or several: a value, a member, the text or its bytes.
 *
 * @param random from 0 to 1
 */
export function createHostileMessage(random: () => number, registered: SubscriptionInput): HostileMessage {
  const below = (limit: number) => Math.floor(random() * limit);
  const one = <T>(values: readonly T[]): T => values[below(values.length)] as T;
  const chance = (share: number) => random() < share;

  const value = (depth = 0): unknown => {
    switch (below(depth > 3 ? 6 : 8)) {
      case 0:
        return new Raw(one(RAWS));
      case 1:
        return one([null, true, false, 0, -1, 2 ** 53, 1.5]);
      case 6:
        return Array.from({ length: below(4) }, () => value(depth + 1));
      case 7:
        return Object.fromEntries(Array.from({ length: below(4) }, () => [one(TEXTS), value(depth + 1)]));
      default:
        return one(TEXTS);
    }
  };
  /** The same with some members of another value, gone, or more than there should be. */
  const spoiled = <T extends object>(whole: T): Record<string, unknown> => {
    const members = Object.entries(whole).flatMap(([name, given]): [string, unknown][] => {
      if (chance(0.03)) return [];
      return [[name, chance(0.12) ? value() : given]];
    });
    if (chance(0.1)) members.push([one([...TEXTS, 'user_id', 'vapid_key', 'p_now', 'delivery_id']), value()]);
    return Object.fromEntries(members);
  };

  const device = () => (chance(0.7) ? { ...registered } : createSubscription());
  const fresh = createSubscription();
  const receipt = () =>
    chance(0.2)
      ? value()
      : spoiled({ receipt: one(TEXTS), event: 'action', action: one(TEXTS), at: one(TEXTS) });
  const message = (): { said: object; renewed?: SubscriptionInput } => {
    switch (below(5)) {
      case 0:
        return { said: spoiled({ receipts: Array.from({ length: below(20) }, receipt) }) };
      case 1:
        // With other keys, for what is released is gone.
        return { said: spoiled({ release: spoiled({ ...device(), ...createKeys() }) }) };
      case 2:
        return { said: spoiled({ resubscribe: spoiled({ old: spoiled(device()), new: spoiled(fresh) }) }) };
      default: {
        // Proven, so that what is new gets as far as it can.
        const given = spoiled({ ...fresh, vapid_key: createKeys().p256dh }) as unknown as SubscriptionInput;
        return { said: { resubscribe: { old: registered, new: given } }, renewed: given };
      }
    }
  };

  const { said, renewed } = message();
  const contentType = chance(0.95)
    ? 'application/json'
    : one(['text/plain', 'application/json;charset=utf-16', 'x', '']);
  let text = write(chance(0.03) ? value() : said);
  if (chance(0.8)) return { body: text, contentType, renewed };
  for (let times = 1 + below(3); times > 0; times -= 1) {
    const at = below(text.length + 1);
    text = text.slice(0, at) + (chance(0.7) ? one(CHARACTERS) : '') + text.slice(at + below(3));
  }
  if (chance(0.1)) text = text.slice(0, below(text.length));
  if (chance(0.02)) text = `${text}${' '.repeat(33_000)}`;
  if (chance(0.5)) return { body: text, contentType, renewed: undefined };
  const bytes = new Uint8Array(Buffer.from(text));
  for (let times = below(4); times > 0; times -= 1) bytes[below(bytes.length)] = below(256);
  return { body: bytes, contentType, renewed: undefined };
}

/** JSON with half surrogate pairs as they are, and raw pieces. */
function write(value: unknown): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([name, member]) => `${JSON.stringify(name)}:${write(member)}`)
      .join(',')}}`;
  }
  return JSON.stringify(value);
}
