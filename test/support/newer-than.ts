import bcd from '@mdn/browser-compat-data' with { type: 'json' };
import type { CompatStatement, Identifier } from '@mdn/browser-compat-data';

/** What code uses of the platform, by its name, and the browsers it is too new for. */
export interface TooNew {
  name: string;
  browsers: string[];
}

/**
 * What JavaScript uses that the oldest of the named browsers (`chrome93`) do not have, by MDN's compatibility data.
 *
 * Looks at globals (`structuredClone(`), at what is asked of a global (`AbortSignal.timeout`), and at members by their name
 * alone (`.findLast`): of those the ones that no interface had by then.
 */
export function newerThan(browsers: readonly string[], code: string): TooNew[] {
  const names = new Set<string>();
  for (const [name, owner, member] of code.matchAll(
    /(?<![\w.$#'"`])(?:([A-Z]\w*)(\.\w+)|\w+)|\.[a-z]\w{2,}/g,
  )) {
    // `Object.hasOwn` is known by both, `Uint8Array.toBase64` by neither.
    names.add(owner && featuresOf(name).length === 0 ? (member as string) : name);
  }
  const found: TooNew[] = [];
  for (const name of names) {
    const features = featuresOf(name);
    if (features.length === 0) continue;
    const lacking = browsers.filter((browser) => features.every((feature) => !has(browser, feature)));
    if (lacking.length > 0) found.push({ name, browsers: lacking });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What members are asked of: the others have names that an app's own objects have as well (`format`, `level`, `sync`). */
const OBJECTS = new Set(
  (
    'AbortController AbortSignal Blob BroadcastChannel CSSStyleDeclaration Clipboard Crypto DOMTokenList Document Element Event ' +
    'EventTarget FormData HTMLElement HTMLFormElement HTMLInputElement Headers History IDBDatabase IDBFactory IDBObjectStore ' +
    'IDBTransaction Location LockManager MessageChannel MessagePort Navigator Node PermissionStatus Permissions PushManager ' +
    'PushSubscription Request Response ServiceWorkerContainer ServiceWorkerRegistration Storage SubtleCrypto URL URLSearchParams ' +
    'WindowClient Clients'
  ).split(' '),
);

/** Every feature that a name may mean. */
function featuresOf(name: string): CompatStatement[] {
  if (name.startsWith('.')) {
    const { all = [], looked = false } = MEMBERS.get(name.slice(1)) ?? {};
    return looked ? all : [];
  }
  const [owner = '', member] = name.split('.');
  const of = (parent: Identifier | undefined, key: string) => parent?.[key]?.__compat ?? [];
  if (member === undefined) {
    return [of(bcd.api, owner), of(bcd.javascript.builtins, owner)].flat();
  }
  return [of(bcd.api[owner], `${member}_static`), of(bcd.javascript.builtins?.[owner], member)].flat();
}

/** The members of every interface and object, by their names. */
const MEMBERS = (() => {
  const members = new Map<string, { all: CompatStatement[]; looked: boolean }>();
  for (const [group, isJavaScript] of [
    [bcd.api, false],
    [bcd.javascript.builtins, true],
  ] as const) {
    for (const [owner, of] of Object.entries(group ?? {})) {
      for (const [key, member] of Object.entries(of as Record<string, Identifier>)) {
        if (key === '__compat' || !member.__compat) continue;
        const name = key.replace(/_(static|event)$/, '');
        const { all = [], looked = false } = members.get(name) ?? {};
        members.set(name, {
          all: [...all, member.__compat],
          looked: looked || isJavaScript || OBJECTS.has(owner),
        });
      }
    }
  }
  return members;
})();

/** Whether a browser had a feature, without a prefix, a flag or half of it. */
function has(browser: string, { support }: CompatStatement): boolean {
  const [, name = '', version = ''] = /^([a-z]+)([\d.]+)$/.exec(browser) ?? [];
  const entries = [support[name as 'chrome'] ?? []].flat();
  return entries.some(
    ({ version_added, version_removed, flags, prefix, alternative_name }) =>
      typeof version_added === 'string' &&
      !flags &&
      !prefix &&
      !alternative_name &&
      !version_removed &&
      Number.parseFloat(version_added.replace('≤', '')) <= Number.parseFloat(version),
  );
}
