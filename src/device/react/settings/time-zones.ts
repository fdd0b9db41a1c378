/** IANA names to choose from, in order, with those that have to be among them; these alone where a browser has no list. */
export function timeZones(...wanted: (string | null)[]): string[] {
  const { supportedValuesOf }: Partial<typeof Intl> = Intl;
  const known = new Set(['UTC', ...(supportedValuesOf?.('timeZone') ?? [])]);
  for (const zone of wanted) if (zone) known.add(zone);
  return [...known].sort();
}
