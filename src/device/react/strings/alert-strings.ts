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
  signedOut: 'Sign in to create alerts.',
  add: 'New alert',
  empty: 'No alerts yet. Create one to be notified when a value reaches your target.',
  loading: 'Loading…',
  edit: 'Edit',
  editAlert: (alert: string) => `Edit alert “${alert}”`,
  delete: 'Delete',
  deleteAlert: (alert: string) => `Delete alert “${alert}”`,
  confirmDelete: (alert: string) => `Delete “${alert}”?`,
  deleted: (alert: string) => `Alert “${alert}” deleted.`,
  saved: (alert: string) => `Alert “${alert}” saved.`,
  enabled: (alert: string) => `Alert on: ${alert}`,
  goal: ({ symbol, condition, value, levelCondition, direction, window }: AlertGoal) => {
    if (condition === 'percent_change') return `${symbol} ${CHANGES[direction]} ${value} in ${window}`;
    return `${symbol} ${CROSSINGS[condition === 'level' ? levelCondition : condition]} ${value}`;
  },
  armed: 'Watching',
  noValueYet: 'Waiting for the first value',
  waitsToGetBack: 'Waiting for the value to move back',
  disabled: {
    fired: 'Done',
    expired: 'Expired',
    switched_off: 'Switched off',
    failed: 'Switched off: the alert could not be checked',
  },
  neverFired: 'Not triggered yet',
  lastFired: (when: string, times: string) =>
    times === '1' ? `Triggered ${when}` : `Triggered ${times} times, last ${when}`,
  heldBack: (times: string) => `Held back ${times === '1' ? 'once' : `${times} times`}`,
  onceOnly: 'Once',
  everyTime: 'Every time',
  newTitle: 'New alert',
  editTitle: 'Edit alert',
  symbol: 'Symbol',
  quote: (symbol: string, value: string, when: string) => `${symbol} is at ${value} (${when})`,
  noQuote: (symbol: string) => `No value for ${symbol} yet`,
  condition: 'Notify me when it',
  conditions: {
    crosses_above: 'rises to a value',
    crosses_below: 'falls to a value',
    crosses: 'reaches a value from either side',
    above: 'is above a value',
    below: 'is below a value',
    percent_change: 'changes by a percentage',
    level: 'reaches a level',
  },
  threshold: 'Value',
  percent: 'Percent',
  window: 'Within',
  direction: 'Direction',
  directions: { up: 'Up', down: 'Down', either: 'Up or down' },
  level: 'Level',
  levelCondition: 'When it',
  levelConditions: {
    crosses: 'reaches it from either side',
    crosses_above: 'rises to it',
    crosses_below: 'falls to it',
    above: 'is above it',
    below: 'is below it',
  },
  repeat: 'How often',
  once: 'Only once',
  recurring: 'Every time',
  more: 'More options',
  hysteresis: 'Hysteresis',
  hysteresisHint: 'How far the value must move back before the alert can trigger again.',
  hysteresisUnit: 'Hysteresis unit',
  units: { absolute: 'value', percent: 'percent' },
  cooldown: 'Minutes between notifications',
  cooldownHint: 'Anything sooner is held back.',
  activeFrom: 'Active from',
  activeUntil: 'Active until',
  activeHint: (timezone: string) => `Time zone: ${timezone}.`,
  expiresAt: 'Ends on',
  name: 'Name',
  save: 'Save alert',
  working: 'One moment…',
  cancel: 'Cancel',
  faults: {
    symbol_missing: 'Enter a symbol, such as DAX.',
    symbol_malformed: 'A symbol can have up to 64 characters, without spaces or braces.',
    number_missing: 'Enter a number.',
    percent_too_small: 'Enter a percentage greater than 0.',
    level_malformed: 'Enter the name of a level, such as yesterday_high.',
    negative: 'Enter 0 or more.',
    hours_incomplete: 'Enter two different times, or leave both empty.',
    date_past: 'Choose a time in the future.',
  },
};

/** Why a field of the form cannot stay as it is. */
export type AlertFault = keyof typeof alertStrings.faults;
