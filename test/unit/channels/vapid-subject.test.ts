import { expect, test } from 'vitest';
import { subjectFault } from '../../../src/server/channels/webpush/vapid-subject.ts';

test.each([
  'mailto:push@example.com',
  'mailto:push+web@mail.example.co.uk',
  "mailto:a$&b$'c@example.com",
  'mailto:push@example.com?subject=push',
  'mailto:push@münchen.example',
  'https://example.com',
  'https://example.com/contact',
  'https://localhost.example.com',
  'https://example.com:8443/x',
  'https://test.example.com',
  'https://xn--mnchen-3ya.example',
])('the contact may be %s', (subject) => {
  expect(subjectFault(subject)).toBeNull();
});

// Subjects for which Apple answers each message with 403 BadJwtToken, and subjects at which no operator can be reached.
test.each([
  ['', 'mailto: or https:'],
  ['push@example.com', 'mailto: or https:'],
  ['mailto:', 'mailto: or https:'],
  ['mailto:push', 'mailto: or https:'],
  ['MAILTO:push@example.com', 'mailto: or https:'],
  ['mailto:mailto:push@example.com', 'once'],
  ['mailto:Mailto:push@example.com', 'once'],
  ['mailto:push@localhost', 'not public'],
  ['mailto:push@mac.local', 'not public'],
  ['mailto:push@example.test', 'not public'],
  ['mailto:push@example.invalid', 'not public'],
  ['mailto:push@LOCALHOST', 'not public'],
  ['mailto:push@mail', 'whole domain name'],
  ['mailto:push@a..b', 'whole domain name'],
  ['mailto:push@.com', 'whole domain name'],
  ['mailto:push@127.0.0.1', 'no address'],
  ['mailto:push@[::1]', 'no address'],
  ['mailto:a@b@example.com', 'mailto: or https:'],
  ['http://example.com', 'mailto: or https:'],
  ['https://', 'mailto: or https:'],
  ['https://localhost', 'not public'],
  ['https://localhost:3000/x', 'not public'],
  ['https://LOCALHOST', 'not public'],
  ['https://app.localhost', 'not public'],
  ['https://mac.local/x', 'not public'],
  ['https://example.test', 'not public'],
  ['https://example.invalid', 'not public'],
  ['https://push.internal', 'not public'],
  ['https://intranet', 'not public'],
  ['https://myhost', 'whole domain name'],
  ['https://a..b', 'whole domain name'],
  ['https://127.0.0.1', 'no address'],
  ['https://127.1/x', 'no address'],
  ['https://0x7f000001', 'no address'],
  ['https://[::1]:3000', 'no address'],
  ['https://10.0.0.1', 'no address'],
  ['https://exa mple.com', 'spaces'],
  ['mailto:a b@example.com', 'spaces'],
  [' mailto:push@example.com', 'spaces'],
  ['mailto:push@example.com\n', 'spaces'],
  ['javascript:alert(1)', 'mailto: or https:'],
])('it may not be %j, and the answer says why and what to give', (subject, why) => {
  const fault = subjectFault(subject);
  expect(fault).toContain(why);
  expect(fault).toContain('mailto:you@example.com');
});
