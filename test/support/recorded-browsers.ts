import type { PushEnvironment } from '../../src/device/client/environment.ts';

/** What a browser has, as far as it can be told from a page. */
export type RecordedBrowser = Pick<
  PushEnvironment,
  'navigator' | 'isSecureContext' | 'PushManager' | 'Notification'
>;

const api = {} as never;

function browser(
  userAgent: string,
  has: { push: boolean; notification?: boolean; serviceWorker?: boolean; secure?: boolean },
  rest: Partial<PushEnvironment['navigator']> = {},
): RecordedBrowser {
  const { push, notification = push, serviceWorker = true, secure = true } = has;
  return {
    isSecureContext: secure,
    navigator: { userAgent, maxTouchPoints: 0, ...rest, ...(serviceWorker && { serviceWorker: api }) },
    ...(push && { PushManager: api }),
    ...(notification && { Notification: api }),
  };
}

const MAC = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)';
const WEBKIT = 'AppleWebKit/605.1.15 (KHTML, like Gecko)';
const IPHONE = (version: string) => `Mozilla/5.0 (iPhone; CPU iPhone OS ${version} like Mac OS X) ${WEBKIT}`;
const LINUX_FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0';
const LINUX_CHROMIUM =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36';
const PHONE = { maxTouchPoints: 5, standalone: false };

/**
 * Firefox and Chromium on Linux were recorded in Firefox ESR 153 and Chromium 156. The others are put together from what
 * WebKit's and Chromium's documentation and bug trackers say of them: in tabs of iOS neither `PushManager` nor
 * `Notification` is there, and `navigator.standalone` is false.
 */
export const BROWSERS = {
  firefox: browser(LINUX_FIREFOX, { push: true }),
  // In a private window everything is there, and the browser refuses to subscribe.
  firefoxPrivate: browser(LINUX_FIREFOX, { push: true }),
  firefoxPrivateOld: browser(LINUX_FIREFOX, { push: true, serviceWorker: false }),
  chromium: browser(LINUX_CHROMIUM, { push: true }, { userAgentData: { mobile: false, platform: 'Linux' } }),
  chromiumInsecure: browser(LINUX_CHROMIUM, { push: true, serviceWorker: false, secure: false }),
  edge: browser(
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36 Edg/146.0.0.0',
    { push: true },
    { userAgentData: { mobile: false, platform: 'Windows' } },
  ),
  chromeOnAndroid: browser(
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Mobile Safari/537.36',
    { push: true },
    { maxTouchPoints: 5, userAgentData: { mobile: true, platform: 'Android' } },
  ),
  chromeOnAndroidTablet: browser(
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36',
    { push: true },
    { maxTouchPoints: 5, userAgentData: { mobile: false, platform: 'Android' } },
  ),
  firefoxOnAndroid: browser(
    'Mozilla/5.0 (Android 15; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0',
    { push: true },
    { maxTouchPoints: 5 },
  ),
  androidWebView: browser(
    'Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/130.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/480.0.0.0;]',
    { push: false },
    { maxTouchPoints: 5 },
  ),
  safariOnMac: browser(`${MAC} ${WEBKIT} Version/26.0 Safari/605.1.15`, { push: true }),
  safariOnMac15: browser(`${MAC} ${WEBKIT} Version/15.6 Safari/605.1.15`, {
    push: false,
    notification: true,
  }),
  ios163: browser(`${IPHONE('16_3')} Version/16.3 Mobile/15E148 Safari/604.1`, { push: false }, PHONE),
  ios163HomeScreen: browser(
    `${IPHONE('16_3')} Mobile/15E148`,
    { push: false },
    { ...PHONE, standalone: true },
  ),
  ios164: browser(`${IPHONE('16_4')} Version/16.4 Mobile/15E148 Safari/604.1`, { push: false }, PHONE),
  ios164HomeScreen: browser(
    `${IPHONE('16_4')} Mobile/15E148`,
    { push: true },
    { ...PHONE, standalone: true },
  ),
  ios164Insecure: browser(
    `${IPHONE('16_4')} Version/16.4 Mobile/15E148 Safari/604.1`,
    { push: false, serviceWorker: false, secure: false },
    PHONE,
  ),
  // From 26 on Safari goes on to name the system 18.6.
  ios26: browser(`${IPHONE('18_6')} Version/26.0 Mobile/15E148 Safari/604.1`, { push: false }, PHONE),
  chromeOnIos: browser(
    `${IPHONE('17_1')} CriOS/120.0.6099.119 Mobile/15E148 Safari/604.1`,
    { push: false },
    PHONE,
  ),
  chromeOnIos163: browser(
    `${IPHONE('16_3')} CriOS/120.0.6099.119 Mobile/15E148 Safari/604.1`,
    { push: false },
    PHONE,
  ),
  instagramOnIos: browser(`${IPHONE('17_4')} Mobile/15E148 Instagram 325.0.3.34.90`, { push: false }, PHONE),
  googleAppOnIos: browser(
    `${IPHONE('17_4')} GSA/310.0.618749985 Mobile/15E148 Safari/604.1`,
    { push: false },
    PHONE,
  ),
  ipad: browser(`${MAC} ${WEBKIT} Version/17.4 Safari/605.1.15`, { push: false }, PHONE),
  ipad163: browser(`${MAC} ${WEBKIT} Version/16.3 Safari/605.1.15`, { push: false }, PHONE),
  ipadHomeScreen: browser(`${MAC} ${WEBKIT}`, { push: true }, { ...PHONE, standalone: true }),
} satisfies Record<string, RecordedBrowser>;
