/** What `PushPrompt` says. */
export const promptStrings = {
  title: 'Hear of it right away',
  why: 'Get a notification on this device when something happens that concerns you, even while this page is closed. You choose what about, and can turn it off at any time.',
  allow: 'Turn on notifications',
  notNow: 'Not now',
  grantedTitle: 'Notifications are off on this device',
  grantedWhy: 'You have allowed them in this browser already: one click turns them on.',
  turnOn: 'Turn on',
  working: 'One moment…',
  doneTitle: 'Notifications are on',
  doneText: 'This device will tell you from now on.',
  sendTest: 'Send me one to try',
  testSent: 'It is on its way.',
  close: 'Close',
  deniedTitle: 'Notifications are blocked',
  deniedText:
    'This browser was told not to show them. Open the settings of this site, by the icon next to its address, set notifications to “Allow”, and load the page again.',
  installTitle: 'Add this app to your Home Screen',
  installText: 'On iPhone and iPad, only apps on the Home Screen may send notifications.',
  /** In the order in which they are done. */
  installSteps: [
    'Tap the Share button of your browser.',
    'Choose “Add to Home Screen”.',
    'Open the app from there, and turn on notifications.',
  ],
  unsupportedTitle: 'No notifications here',
  unsupportedText:
    'This browser cannot receive them. A current version of Firefox, Chrome, Edge or Safari can, outside of private windows.',
};
