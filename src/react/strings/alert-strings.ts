import type { Alert } from '../../client/push-client.ts';

/** What an alert waits for, its numbers and names formatted. */
export interface AlertGoal {
  readonly symbol: string;
  readonly condition: Alert['condition'];
  /** The threshold, the percentage, or the level by its name. */
  readonly value: string;
  readonly levelCondition: NonNullable<Alert['levelCondition']>;
  readonly direction: NonNullable<Alert['direction']>;
  readonly window: string;
}

const CROSSINGS = {
  above: 'is above',
  below: 'is below',
  crosses_above: 'rises to',
  crosses_below: 'falls to',
  crosses: 'reaches',
};
const CHANGES = { up: 'rises by', down: 'falls by', either: 'moves by' };

/** What `AlertEditor` says. Numbers and moments come formatted. */
export const alertStrings = {
  title: 'Alerts',
  signedOut: 'Sign in to be told when a value gets where you say.',
  add: 'New alert',
  empty: 'No alerts yet. Make one, and be told when a value gets there.',
  loading: 'Loading…',
  edit: 'Edit',
  editAlert: (alert: string) => `Edit the alert “${alert}”`,
  delete: 'Delete',
  deleteAlert: (alert: string) => `Delete the alert “${alert}”`,
  confirmDelete: (alert: string) => `Delete “${alert}”?`,
  deleted: (alert: string) => `The alert “${alert}” was deleted.`,
  saved: (alert: string) => `The alert “${alert}” is saved.`,
  enabled: (alert: string) => `Watch: ${alert}`,
  goal: ({ symbol, condition, value, levelCondition, direction, window }: AlertGoal) => {
    if (condition === 'percent_change') return `${symbol} ${CHANGES[direction]} ${value} in ${window}`;
    return `${symbol} ${CROSSINGS[condition === 'level' ? levelCondition : condition]} ${value}`;
  },
  armed: 'Watching',
  noValueYet: 'Waits for a first value',
  waitsToGetBack: 'Waits for the value to get back',
  disabled: {
    fired: 'Done: it told you once',
    expired: 'Expired',
    switched_off: 'Switched off',
    failed: 'Switched off: it could not be checked',
  },
  neverFired: 'Has not fired yet',
  lastFired: (when: string, times: string) =>
    times === '1' ? `Fired ${when}` : `Fired ${times} times, last ${when}`,
  heldBack: (times: string) => `Held back ${times === '1' ? 'once' : `${times} times`}`,
  onceOnly: 'Once',
  everyTime: 'Every time',
  newTitle: 'New alert',
  editTitle: 'Edit alert',
  symbol: 'Symbol',
  quote: (symbol: string, value: string, when: string) => `${symbol} is at ${value} (${when})`,
  noQuote: (symbol: string) => `Nothing is known of ${symbol} yet`,
  condition: 'Tell me when it',
  conditions: {
    crosses_above: 'rises to a value',
    crosses_below: 'falls to a value',
    crosses: 'reaches a value, from either side',
    above: 'is above a value',
    below: 'is below a value',
    percent_change: 'changes by so many percent',
    level: 'gets to a level',
  },
  threshold: 'Value',
  percent: 'Percent',
  window: 'Within',
  direction: 'Direction',
  directions: { up: 'Up', down: 'Down', either: 'Up or down' },
  level: 'Level',
  levelCondition: 'When it',
  levelConditions: {
    crosses: 'reaches it, from either side',
    crosses_above: 'rises to it',
    crosses_below: 'falls to it',
    above: 'is above it',
    below: 'is below it',
  },
  repeat: 'How often',
  once: 'Once, and then switch it off',
  recurring: 'Every time',
  more: 'More',
  hysteresis: 'Hysteresis',
  hysteresisHint: 'How far it must get back before it counts again.',
  hysteresisUnit: 'Unit of the hysteresis',
  units: { absolute: 'as a value', percent: 'percent' },
  cooldown: 'Minutes between two messages',
  cooldownHint: 'What comes sooner is held back.',
  activeFrom: 'Only from',
  activeUntil: 'Only until',
  activeHint: (timezone: string) => `By the clock of ${timezone}.`,
  expiresAt: 'Ends on',
  name: 'What you call it',
  save: 'Save alert',
  working: 'One moment…',
  cancel: 'Cancel',
  faults: {
    symbol_missing: 'Enter a symbol, such as DAX.',
    symbol_malformed: 'A symbol has at most 64 letters, and no spaces or braces.',
    number_missing: 'Enter a number.',
    percent_too_small: 'Enter a percentage above 0.',
    level_malformed: 'Enter the name of a level, such as yesterday_high.',
    negative: 'Enter 0 or more.',
    hours_incomplete: 'Enter a beginning and another end, or neither.',
    date_past: 'Choose a time to come.',
  },
};

/** Why a field of the form cannot stay as it is. */
export type AlertFault = keyof typeof alertStrings.faults;
