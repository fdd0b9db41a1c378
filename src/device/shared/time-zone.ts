/**
 * The time zone of this browser, as a name that the database takes: an IANA name of a place, or `UTC`. Some browsers give
 * none, `Etc/Unknown`, an offset such as `+00:00`, or an abbreviation; then it is the zone of what their clock shows.
 */
export function localTimeZone(): string {
  const zone: string | undefined = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return zone && /^[A-Za-z_-]+(\/[A-Za-z_-]+)+$/.test(zone) && zone !== 'Etc/Unknown' ? zone : clockZone();
}

/**
 * The zone without daylight saving time in which the browser's clock is right at present, to the hour: `Etc/GMT-2`, two hours
 * ahead of UTC. For places that are newer than the database's list of them.
 */
export function clockZone(): string {
  const hours = Math.round(new Date().getTimezoneOffset() / 60);
  return hours === 0 ? 'UTC' : `Etc/GMT${hours > 0 ? '+' : ''}${hours}`;
}
