import { expect, test } from 'vitest';
import { deviceNameOf, deviceTypeOf } from '../../../src/device/client/device-kind.ts';
import type { PushEnvironment } from '../../../src/device/client/environment.ts';
import { obstacleOf } from '../../../src/device/client/support.ts';
import { BROWSERS } from '../../support/recorded-browsers.ts';

const EXPECTED: Record<keyof typeof BROWSERS, [ReturnType<typeof obstacleOf>, string, string]> = {
  firefox: [undefined, 'desktop', 'Firefox (Linux)'],
  firefoxPrivate: [undefined, 'desktop', 'Firefox (Linux)'],
  firefoxPrivateOld: ['unsupported', 'desktop', 'Firefox (Linux)'],
  chromium: [undefined, 'desktop', 'Chrome (Linux)'],
  chromiumInsecure: ['insecure_origin', 'desktop', 'Chrome (Linux)'],
  edge: [undefined, 'desktop', 'Edge (Windows)'],
  chromeOnAndroid: [undefined, 'mobile', 'Chrome (Android)'],
  chromeOnAndroidTablet: [undefined, 'tablet', 'Chrome (Android)'],
  firefoxOnAndroid: [undefined, 'mobile', 'Firefox (Android)'],
  androidWebView: ['unsupported', 'mobile', 'Chrome (Android)'],
  safariOnMac: [undefined, 'desktop', 'Safari (macOS)'],
  safariOnMac15: ['unsupported', 'desktop', 'Safari (macOS)'],
  ios163: ['unsupported', 'mobile', 'Safari (iPhone)'],
  ios163HomeScreen: ['unsupported', 'mobile', 'Safari (iPhone)'],
  ios164: ['needs_install', 'mobile', 'Safari (iPhone)'],
  ios164HomeScreen: [undefined, 'mobile', 'Safari (iPhone)'],
  ios164Insecure: ['insecure_origin', 'mobile', 'Safari (iPhone)'],
  ios26: ['needs_install', 'mobile', 'Safari (iPhone)'],
  chromeOnIos: ['needs_install', 'mobile', 'Chrome (iPhone)'],
  chromeOnIos163: ['unsupported', 'mobile', 'Chrome (iPhone)'],
  instagramOnIos: ['unsupported', 'mobile', 'Safari (iPhone)'],
  googleAppOnIos: ['unsupported', 'mobile', 'Safari (iPhone)'],
  ipad: ['needs_install', 'tablet', 'Safari (iPad)'],
  ipad163: ['unsupported', 'tablet', 'Safari (iPad)'],
  ipadHomeScreen: [undefined, 'tablet', 'Safari (iPad)'],
};

test.each(Object.entries(EXPECTED))('%s: %j', (name, [obstacle, type, deviceName]) => {
  const recorded = BROWSERS[name as keyof typeof BROWSERS];
  expect(obstacleOf(recorded as PushEnvironment)).toBe(obstacle);
  expect(deviceTypeOf(recorded.navigator)).toBe(type);
  expect(deviceNameOf(recorded.navigator)).toBe(deviceName);
});

test('a browser that says nothing of itself is a device of unknown type', () => {
  expect(deviceTypeOf({ userAgent: '' })).toBe('unknown');
  expect(deviceNameOf({ userAgent: '' })).toBe('Browser');
});
