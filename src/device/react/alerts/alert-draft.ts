import type { Alert, AlertInput } from '../../client/push-client.ts';
import { localTimeZone } from '../../shared/time-zone.ts';
import type { AlertFault } from '../strings/alert-strings.ts';
import { intervalMinutes } from './interval-minutes.ts';

/** What stands in the form: text as it is typed. */
export interface AlertDraft {
  symbol: string;
  condition: Alert['condition'];
  /** The value, or the percentage. */
  threshold: string;
  windowMinutes: number;
  direction: NonNullable<Alert['direction']>;
  level: string;
  levelCondition: NonNullable<Alert['levelCondition']>;
  recurring: boolean;
  hysteresis: string;
  hysteresisUnit: Alert['hysteresisUnit'];
  cooldown: string;
  activeFrom: string;
  activeUntil: string;
  /** By whose clock: that of the browser where the alert has none yet. */
  timezone: string;
  /** `YYYY-MM-DDTHH:MM`, by the browser's clock. */
  expiresAt: string;
  setup: string;
}

/** The windows that a change can be measured in. */
export const WINDOWS = [1, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440];

/** A form that nothing was typed into yet. */
export function newDraft(symbol = ''): AlertDraft {
  return {
    symbol,
    condition: 'crosses_above',
    threshold: '',
    windowMinutes: 60,
    direction: 'either',
    level: '',
    levelCondition: 'crosses',
    recurring: false,
    hysteresis: '',
    hysteresisUnit: 'percent',
    cooldown: '',
    activeFrom: '',
    activeUntil: '',
    timezone: localTimeZone(),
    expiresAt: '',
    setup: '',
  };
}

/** The form of an alert that there is. */
export function draftOf(alert: Alert): AlertDraft {
  const cooldown = intervalMinutes(alert.cooldown);
  return {
    symbol: alert.symbol,
    condition: alert.condition,
    threshold: alert.threshold === null ? '' : String(alert.threshold),
    windowMinutes: alert.windowMinutes || 60,
    direction: alert.direction ?? 'either',
    level: alert.level ?? '',
    levelCondition: alert.levelCondition ?? 'crosses',
    recurring: alert.recurring,
    hysteresis: alert.hysteresis === 0 ? '' : String(alert.hysteresis),
    hysteresisUnit: alert.hysteresisUnit,
    cooldown: cooldown === 0 ? '' : String(cooldown),
    activeFrom: alert.activeFrom?.slice(0, 5) ?? '',
    activeUntil: alert.activeUntil?.slice(0, 5) ?? '',
    timezone: alert.timezone ?? localTimeZone(),
    expiresAt: alert.expiresAt === null ? '' : localMinute(new Date(alert.expiresAt)),
    setup: alert.setup ?? '',
  };
}

export type AlertFaults = { [Field in keyof AlertDraft]?: AlertFault };

/** What is wrong with a form, by field, in their order; what only the project knows is left to it. `now` in milliseconds. */
export function faultsOf(draft: AlertDraft, now: number): AlertFaults {
  const faults: AlertFaults = {};
  const symbol = draft.symbol.trim();
  if (!symbol) faults.symbol = 'symbol_missing';
  else if (symbol.length > 64 || !/^[^\s:{}]+(:[^\s:{}]+)*$/.test(symbol)) faults.symbol = 'symbol_malformed';
  if (draft.condition === 'level') {
    if (!/^[a-z0-9][a-z0-9_]{0,49}$/.test(draft.level.trim())) faults.level = 'level_malformed';
  } else if (!isNumber(draft.threshold)) faults.threshold = 'number_missing';
  else if (draft.condition === 'percent_change' && Number(draft.threshold) <= 0) {
    faults.threshold = 'percent_too_small';
  }
  for (const field of ['hysteresis', 'cooldown'] as const) {
    if (draft[field] && !(Number(draft[field]) >= 0)) faults[field] = 'negative';
  }
  if (draft.activeFrom === draft.activeUntil ? draft.activeFrom : !draft.activeFrom || !draft.activeUntil) {
    faults.activeUntil = 'hours_incomplete';
  }
  if (draft.expiresAt && !(Date.parse(draft.expiresAt) > now)) faults.expiresAt = 'date_past';
  return faults;
}

/** The alert that a form without faults describes; what does not go with its condition is taken back. */
export function alertOf(draft: AlertDraft): AlertInput {
  const { condition } = draft;
  const change = condition === 'percent_change';
  const level = condition === 'level';
  const active = draft.activeFrom !== '';
  return {
    symbol: draft.symbol.trim(),
    condition,
    threshold: level ? null : Number(draft.threshold),
    windowMinutes: change ? draft.windowMinutes : 0,
    direction: change ? draft.direction : null,
    level: level ? draft.level.trim() : null,
    levelCondition: level ? draft.levelCondition : null,
    recurring: draft.recurring,
    hysteresis: Number(draft.hysteresis),
    hysteresisUnit: draft.hysteresisUnit,
    cooldown: `${Number(draft.cooldown)} minutes`,
    activeFrom: active ? draft.activeFrom : null,
    activeUntil: active ? draft.activeUntil : null,
    ...(active && { timezone: draft.timezone }),
    expiresAt: draft.expiresAt ? new Date(draft.expiresAt).toISOString() : null,
    setup: draft.setup.trim() || null,
  };
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text));
}

function localMinute(moment: Date): string {
  const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}
