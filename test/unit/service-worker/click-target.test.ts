import { describe, expect, test } from 'vitest';
import { clickTarget } from '../../../src/device/service-worker/click-target.ts';

const SCOPE = 'https://app.example/crm/';

describe('leads there', () => {
  test.each([
    ['/', 'https://app.example/'],
    ['/deals/7', 'https://app.example/deals/7'],
    ['/deals?stage=won&a[]=1#top', 'https://app.example/deals?stage=won&a[]=1#top'],
    ['/Grüße', 'https://app.example/Gr%C3%BC%C3%9Fe'],
    ['/a//b', 'https://app.example/a//b'],
    ['/%2f%2fevil.example', 'https://app.example/%2f%2fevil.example'],
    ['/@evil.example', 'https://app.example/@evil.example'],
    ['/go?to=https://evil.example', 'https://app.example/go?to=https://evil.example'],
    ['deals/7', 'https://app.example/crm/deals/7'],
    ['?a=1', 'https://app.example/crm/?a=1'],
    ['https://app.example/deals/7', 'https://app.example/deals/7'],
    ['https://app.example:443/deals/7', 'https://app.example/deals/7'],
    ['HTTPS://APP.example/deals/7', 'https://app.example/deals/7'],
  ])('%j', (wanted, target) => {
    expect(clickTarget(wanted, SCOPE)).toBe(target);
  });
});

describe('leads nowhere', () => {
  test.each([
    'https://evil.example/',
    'https://app.example.evil.example/',
    'https://evil.example/?https://app.example/',
    'https://app.example@evil.example/',
    'https://user@app.example/',
    'https://user:password@app.example/',
    'https://app.example:8443/',
    'http://app.example/',
    'https://sub.app.example/',
    '//evil.example',
    '//app.example/deals',
    '///evil.example',
    // Of this origin, and of another one for a router that resolves the path again.
    '/.//evil.example',
    '/u/..//evil.example',
    'https://app.example//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '\\/evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/\r\n/evil.example',
    '\t//evil.example',
    ' https://evil.example',
    ' /deals',
    '/deals 7',
    '/deals\u0000',
    '/deals\u007f',
    '/deals\u0085',
    '/deals\u2028',
    'javascript:alert(1)',
    'JavaScript:alert(1)',
    'java\nscript:alert(1)',
    'javascript://app.example/%0aalert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'blob:https://app.example/7b2f',
    'filesystem:https://app.example/x',
    'file:///etc/passwd',
    'about:blank',
    'mailto:a@app.example',
    'view-source:https://app.example/',
    'ws://app.example/',
    'https://',
    `/${'x'.repeat(2048)}`,
    '',
    null,
    undefined,
    7,
    {},
    ['/deals'],
    { toString: () => '/deals' },
  ])('%j', (wanted) => {
    expect(clickTarget(wanted, SCOPE)).toBeNull();
  });
});

test('allowed origins are compared as origins, and only web pages are opened', () => {
  const allowed = [
    'https://help.example/',
    'https://docs.example:8443',
    'nonsense',
    'data:,',
    'ws://chat.example',
  ];
  const target = (wanted: string): string | null => clickTarget(wanted, SCOPE, allowed);
  expect(target('https://help.example/push')).toBe('https://help.example/push');
  expect(target('https://docs.example:8443/')).toBe('https://docs.example:8443/');
  expect(target('https://docs.example/')).toBeNull();
  expect(target('http://help.example/')).toBeNull();
  expect(target('https://help.example.evil.example/')).toBeNull();
  expect(target('data:text/html,x')).toBeNull();
  expect(target('blob:https://help.example/x')).toBeNull();
  expect(target('ws://chat.example/')).toBeNull();
  expect(target('/deals')).toBe('https://app.example/deals');
});

test('in development, http on localhost is an origin like any other', () => {
  expect(clickTarget('/deals', 'http://localhost:5173/')).toBe('http://localhost:5173/deals');
  expect(clickTarget('http://localhost:5174/', 'http://localhost:5173/')).toBeNull();
});
