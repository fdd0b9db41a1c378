import { alertStrings } from './alert-strings.ts';
import { errorStrings } from './error-strings.ts';
import { inboxStrings } from './inbox-strings.ts';
import { promptStrings } from './prompt-strings.ts';
import { settingsStrings } from './settings-strings.ts';

/** What components say unless told otherwise. */
export const englishStrings = {
  prompt: promptStrings,
  settings: settingsStrings,
  inbox: inboxStrings,
  alerts: alertStrings,
  errors: errorStrings,
};

/** Everything that components say. Functions get what changes, formatted for the locale. */
export type PushStrings = typeof englishStrings;

/** Strings to replace: any of each section. The others stay English. */
export type PushStringChanges = { readonly [Section in keyof PushStrings]?: Partial<PushStrings[Section]> };

/** English with what an app replaces. */
export function mergeStrings(changes: PushStringChanges = {}): PushStrings {
  return {
    prompt: { ...englishStrings.prompt, ...changes.prompt },
    settings: { ...englishStrings.settings, ...changes.settings },
    inbox: { ...englishStrings.inbox, ...changes.inbox },
    alerts: { ...englishStrings.alerts, ...changes.alerts },
    errors: { ...englishStrings.errors, ...changes.errors },
  };
}
