import type { Alert } from '../../client/push-client.ts';
import type { PushFormat } from '../format.ts';
import type { PushStrings } from '../strings/push-strings.ts';

type Words = PushStrings['alerts'];

/** What an alert waits for, in words: "DAX rises to 18,000". */
export function alertGoal(alert: Alert, words: Words, format: PushFormat): string {
  return words.goal({
    symbol: alert.symbol,
    condition: alert.condition,
    value: alertValue(alert, format),
    levelCondition: alert.levelCondition ?? 'crosses',
    direction: alert.direction ?? 'either',
    window: format.minutes(alert.windowMinutes),
  });
}

function alertValue({ condition, threshold, level, levelPrice }: Alert, format: PushFormat): string {
  if (condition === 'percent_change') return format.percent(threshold ?? 0);
  if (condition !== 'level') return format.number(threshold ?? 0);
  const name = (level ?? '').replaceAll('_', ' ');
  return levelPrice === null ? name : `${name} (${format.number(levelPrice)})`;
}

/** How an alert stands, for its colour and in words. */
export function alertState(alert: Alert, words: Words): { state: 'armed' | 'waiting' | 'off'; text: string } {
  if (!alert.enabled) return { state: 'off', text: words.disabled[alert.disabledReason ?? 'switched_off'] };
  if (alert.armed) return { state: 'armed', text: words.armed };
  return { state: 'waiting', text: alert.lastSide === null ? words.noValueYet : words.waitsToGetBack };
}

/** What has become of an alert, and how often it is to fire; each for itself. */
export function alertFacts(alert: Alert, words: Words, format: PushFormat, now: number): string[] {
  return [
    alert.lastFiredAt === null
      ? words.neverFired
      : words.lastFired(format.ago(alert.lastFiredAt, now), format.number(alert.timesFired)),
    ...(alert.heldBack > 0 ? [words.heldBack(format.number(alert.heldBack))] : []),
    alert.recurring ? words.everyTime : words.onceOnly,
  ];
}
