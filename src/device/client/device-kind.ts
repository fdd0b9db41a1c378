import type { PushEnvironment } from './environment.ts';
import { isAppleMobile } from './support.ts';

/** What the column `device_type` knows. */
export type DeviceType = 'desktop' | 'mobile' | 'tablet' | 'unknown';

/** What kind of device this is, as far as the browser says. */
export function deviceTypeOf(navigator: PushEnvironment['navigator']): DeviceType {
  const { userAgent, userAgentData } = navigator;
  if (userAgentData?.mobile || /iPhone|iPod|Android.*Mobile/.test(userAgent)) return 'mobile';
  if (/Android|Tablet/.test(userAgent) || isAppleMobile(navigator)) return 'tablet';
  return /Windows|Macintosh|Linux|CrOS|X11/.test(userAgent) ? 'desktop' : 'unknown';
}

// The first that fits: Edge and the like also say Chrome, and all but Firefox say Safari.
const BROWSERS: [string, RegExp][] = [
  ['Edge', /Edg(e|A|iOS)?\//],
  ['Opera', /OPR\/|OPiOS\//],
  ['Samsung Internet', /SamsungBrowser\//],
  ['Firefox', /Firefox\/|FxiOS\//],
  ['Chrome', /Chrom(e|ium)\/|CriOS\//],
  ['Safari', /Safari\/|AppleWebKit\//],
];
const SYSTEMS: [string, RegExp][] = [
  ['Android', /Android/],
  ['Windows', /Windows/],
  ['ChromeOS', /CrOS/],
  ['macOS', /Macintosh/],
  ['Linux', /Linux|X11/],
];

/** What a user would call this device, such as `Firefox (Linux)`. */
export function deviceNameOf(navigator: PushEnvironment['navigator']): string {
  const { userAgent } = navigator;
  const first = (list: [string, RegExp][]) => list.find(([, pattern]) => pattern.test(userAgent))?.[0];
  const system = isAppleMobile(navigator) ? (/iPhone|iPod/.exec(userAgent)?.[0] ?? 'iPad') : first(SYSTEMS);
  return (first(BROWSERS) ?? 'Browser') + (system ? ` (${system})` : '');
}
