/** What is muted by name, or by a category above it: `alerts` mutes `alerts:DAX`. */
export function mutedBy(muted: readonly string[], category: string): string | null {
  return muted.find((key) => category === key || category.startsWith(`${key}:`)) ?? null;
}

const ALERTS = 'alerts';

/** The category of a symbol's alerts. */
export function alertCategory(symbol: string): string {
  return `${ALERTS}:${symbol}`;
}

/** The symbol that a category is about; null where it is none of alerts. */
export function alertSymbol(category: string): string | null {
  return category.startsWith(`${ALERTS}:`) ? category.slice(ALERTS.length + 1) : null;
}

/** Symbols to choose among: those with alerts, and those that are muted without one. */
export function symbolsToMute(muted: readonly string[], alerts: readonly { symbol: string }[]): string[] {
  const symbols = new Set(alerts.map(({ symbol }) => symbol));
  for (const category of muted) {
    const symbol = alertSymbol(category);
    if (symbol) symbols.add(symbol);
  }
  return [...symbols].sort();
}

/** What is muted and has no switch of its own: neither a category of the project's, nor a symbol. */
export function otherMutes(muted: readonly string[], categories: readonly { key: string }[]): string[] {
  return muted.filter(
    (key) => alertSymbol(key) === null && !categories.some((category) => category.key === key),
  );
}
