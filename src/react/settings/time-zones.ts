/** The browser's time zone, an IANA name. */
export function localTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** IANA names to choose from, in order, with those that have to be among them. */
export function timeZones(...wanted: (string | null)[]): string[] {
  // Chromium has it from 99 on. Before, there are the zones of the user and of the browser.
  const known = new Set(Intl.supportedValuesOf?.('timeZone') ?? [localTimeZone()]);
  for (const zone of wanted) if (zone) known.add(zone);
  return [...known].sort();
}
