/** What `PushPrompt` says. */
export const promptStrings = {
  title: 'Get notified right away',
  why: 'Get a notification on this device when something important happens, even when this page is closed. You choose what you are notified about, and you can turn it off at any time.',
  allow: 'Turn on notifications',
  notNow: 'Not now',
  grantedTitle: 'Notifications are off on this device',
  grantedWhy: 'This browser already allows notifications. Turn them on with one click.',
  turnOn: 'Turn on',
  working: 'One moment…',
  doneTitle: 'Notifications are on',
  doneText: 'You will get notifications on this device.',
  sendTest: 'Send a test',
  testSent: 'A test notification is on its way.',
  close: 'Close',
  deniedTitle: 'Notifications are blocked',
  deniedText:
    'This browser blocks notifications from this site. Click the icon next to the address, set notifications to “Allow”, and reload the page.',
  installTitle: 'Add this app to your Home Screen',
  installText: 'On iPhone and iPad, only apps on the Home Screen can send notifications.',
  /** In the order in which they are done. */
  installSteps: [
    'Tap the Share button in your browser.',
    'Choose “Add to Home Screen”.',
    'Open the app from your Home Screen and turn on notifications.',
  ],
  unsupportedTitle: 'Notifications are not available',
  unsupportedText:
    'This browser cannot receive notifications. Use a current version of Firefox, Chrome, Edge or Safari, and not a private window.',
};
