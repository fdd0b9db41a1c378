import { describe, expect, test } from 'vitest';
import { isAllowedEndpoint } from '../../../src/server/channels/webpush/endpoint.ts';

const FCM = 'https://fcm.googleapis.com';
const APPLE = 'https://*.push.apple.com';
const WINDOWS = 'https://*.notify.windows.com';
const LOCAL = 'http://127.0.0.1:4000';

describe('an endpoint of the push service it was registered under is called', () => {
  test.each([
    [FCM, 'https://fcm.googleapis.com/fcm/send/dQw4w9WgXcQ:APA91bH-_x'],
    [FCM, 'https://fcm.googleapis.com/wp/a%2Fb?x=1&y=%20'],
    [FCM, 'https://fcm.googleapis.com/'],
    [
      'https://updates.push.services.mozilla.com',
      'https://updates.push.services.mozilla.com/wpush/v2/gAAAAABk-_=',
    ],
    [APPLE, 'https://web.push.apple.com/QGuQyavXutnMH'],
    [APPLE, 'https://a-1.b.push.apple.com/x'],
    [WINDOWS, 'https://wns2-par02p.notify.windows.com/w/?token=BQYAAAB%2b%2fx%3d%3d'],
    [LOCAL, 'http://127.0.0.1:4000/push/abc'],
  ])('%s: %s', (host, endpoint) => {
    expect(isAllowedEndpoint(endpoint, host)).toBe(true);
  });
});

describe('anything else is not', () => {
  test.each([
    ['another scheme', FCM, 'http://fcm.googleapis.com/x'],
    ['another scheme', FCM, 'ftp://fcm.googleapis.com/x'],
    ['no scheme', FCM, '//fcm.googleapis.com/x'],
    ['a scheme in upper case', FCM, 'HTTPS://fcm.googleapis.com/x'],
    ['no URL', FCM, 'fcm.googleapis.com'],
    ['nothing', FCM, ''],
    ['no path', FCM, 'https://fcm.googleapis.com'],
    ['userinfo', FCM, 'https://user@fcm.googleapis.com/x'],
    ['userinfo', FCM, 'https://user:password@fcm.googleapis.com/x'],
    ['the host as userinfo', FCM, 'https://fcm.googleapis.com@evil.tld/x'],
    ['the origin as userinfo', FCM, 'https://fcm.googleapis.com:x@evil.tld/'],
    ['empty userinfo', FCM, 'https://@fcm.googleapis.com/x'],
    ['a port', FCM, 'https://fcm.googleapis.com:8443/x'],
    ['the default port, spelt out', FCM, 'https://fcm.googleapis.com:443/x'],
    ['an empty port', FCM, 'https://fcm.googleapis.com:/x'],
    ['a name that begins alike', FCM, 'https://fcm.googleapis.com.evil.tld/x'],
    ['a name that ends alike', FCM, 'https://evil-fcm.googleapis.com/x'],
    ['a subdomain', FCM, 'https://a.fcm.googleapis.com/x'],
    ['its parent', FCM, 'https://googleapis.com/x'],
    ['a trailing dot', FCM, 'https://fcm.googleapis.com./x'],
    ['upper case', FCM, 'https://FCM.googleapis.com/x'],
    ['a backslash for a slash', FCM, 'https:\\\\fcm.googleapis.com\\x'],
    ['a backslash before the path', FCM, 'https://fcm.googleapis.com\\@evil.tld/x'],
    ['a backslash in the path', FCM, 'https://fcm.googleapis.com/a\\b'],
    ['a question mark before the path', FCM, 'https://evil.tld?https://fcm.googleapis.com/'],
    ['a fragment before the path', FCM, 'https://evil.tld#https://fcm.googleapis.com/'],
    ['a percent escape in the name', FCM, 'https://fcm%2egoogleapis.com/x'],
    ['a full-width dot', FCM, 'https://fcm．googleapis.com/x'],
    ['a look-alike letter', FCM, 'https://fcm.gооgleapis.com/x'],
    ['its punycode', FCM, 'https://fcm.xn--ggleapis-n4ab.com/x'],
    ['a soft hyphen', FCM, 'https://fcm\u00ad.googleapis.com/x'],
    ['a tab in the name', FCM, 'https://fcm.goo\tgleapis.com/x'],
    ['a newline in the name', FCM, 'https://fcm.goo\ngleapis.com/x'],
    ['a tab in the path', FCM, 'https://fcm.googleapis.com/a\tb'],
    ['a newline at the end', FCM, 'https://fcm.googleapis.com/x\n'],
    ['a space in front', FCM, ' https://fcm.googleapis.com/x'],
    ['a space in the path', FCM, 'https://fcm.googleapis.com/a b'],
    ['dot segments', FCM, 'https://fcm.googleapis.com/a/../b'],
    ['a third slash', FCM, 'https:///fcm.googleapis.com/x'],
    ['one slash', FCM, 'https:/fcm.googleapis.com/x'],
    ['another push service', FCM, 'https://web.push.apple.com/x'],
    ['an address', FCM, 'https://169.254.169.254/latest'],
    ['an address in IPv6', FCM, 'https://[::1]/x'],
    ['an address in IPv6 behind the name', FCM, 'https://fcm.googleapis.com@[::ffff:7f00:1]/x'],
    ['the suffix without a name', APPLE, 'https://push.apple.com/x'],
    ['an empty name before the suffix', APPLE, 'https://.push.apple.com/x'],
    ['an empty name in between', APPLE, 'https://a..push.apple.com/x'],
    ['the wildcard itself', APPLE, 'https://*.push.apple.com/x'],
    ['a name glued to the suffix', APPLE, 'https://evilpush.apple.com/x'],
    ['the suffix in the middle', APPLE, 'https://web.push.apple.com.evil.tld/x'],
    ['the suffix in the path', APPLE, 'https://evil.tld/web.push.apple.com/'],
    ['the suffix as userinfo', APPLE, 'https://web.push.apple.com@evil.tld/x'],
    ['the suffix behind userinfo', APPLE, 'https://evil.tld@web.push.apple.com/x'],
    ['the suffix with a trailing dot', APPLE, 'https://web.push.apple.com./x'],
    ['the suffix with a port', APPLE, 'https://web.push.apple.com:8443/x'],
    ['the suffix over http', APPLE, 'http://web.push.apple.com/x'],
    ['the suffix in upper case', APPLE, 'https://web.PUSH.apple.com/x'],
    ['an underscore', APPLE, 'https://a_b.push.apple.com/x'],
    ['loopback on another port', LOCAL, 'http://127.0.0.1:4001/push/abc'],
    ['loopback on the default port', LOCAL, 'http://127.0.0.1/push/abc'],
    ['loopback on a longer port', LOCAL, 'http://127.0.0.1:40000/push/abc'],
    ['loopback over https', LOCAL, 'https://127.0.0.1:4000/push/abc'],
    ['another name of loopback', LOCAL, 'http://localhost:4000/push/abc'],
    ['another spelling of loopback', LOCAL, 'http://127.1:4000/push/abc'],
    ['loopback as a number', LOCAL, 'http://2130706433:4000/push/abc'],
    ['loopback in hexadecimal', LOCAL, 'http://0x7f.0.0.1:4000/push/abc'],
    ['loopback in IPv6', LOCAL, 'http://[::1]:4000/push/abc'],
    ['userinfo in front of loopback', LOCAL, 'http://x@127.0.0.1:4000/push/abc'],
  ])('%s (%s): %j', (_, host, endpoint) => {
    expect(isAllowedEndpoint(endpoint, host)).toBe(false);
  });
});
