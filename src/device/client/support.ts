import type { PushEnvironment } from './environment.ts';

/** Why push is out of reach here, as a code of `PushClientError`; undefined when it is not. */
export type Obstacle = 'unsupported' | 'insecure_origin' | 'needs_install' | undefined;

/** Whether this is iOS or iPadOS, where every browser is Safari within. */
export function isAppleMobile({ userAgent, maxTouchPoints = 0 }: PushEnvironment['navigator']): boolean {
  // An iPad says that it is a Mac; no Mac has a touch screen.
  return /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
}

/**
 * What keeps push from working in this browser, on this page.
 *
 * iOS and iPadOS show `PushManager` and `Notification` to pages on the Home Screen alone, from 16.4 on:
 * https://webkit.org/blog/13878/web-push-for-web-apps-on-ios-and-ipados/
 */
export function obstacleOf(environment: PushEnvironment | undefined): Obstacle {
  if (!environment) return 'unsupported';
  const { navigator } = environment;
  if (!environment.isSecureContext) return 'insecure_origin';
  if (navigator.serviceWorker && environment.PushManager && environment.Notification) return undefined;
  return isAppleMobile(navigator) && !navigator.standalone && canInstall(navigator.userAgent)
    ? 'needs_install'
    : 'unsupported';
}

function canInstall(userAgent: string): boolean {
  // Only browsers can add to the Home Screen. What other apps show pages in does not say "Safari", or says who it is.
  if (
    !/ Safari\//.test(userAgent) ||
    /\bGSA\/|FBA[NV]|Instagram| Line\/|MicroMessenger|Snapchat|Pinterest/.test(userAgent)
  )
    return false;
  // Safari's version is the system's; other browsers name the system. Since 26 Safari's name of the system stays at 18.
  const version = /Version\/(\d+)\.(\d+)/.exec(userAgent) ?? / OS (\d+)_(\d+)/.exec(userAgent);
  // Without one it is an iPad's other browser that says it is a Mac.
  return !version || Number(version[1]) * 100 + Number(version[2]) >= 1604;
}
