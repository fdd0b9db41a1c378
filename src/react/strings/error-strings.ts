/** What users are told, by an error's code: what its message and hint say is meant for developers. */
const WORDS: Record<string, string> = {
  offline: 'You seem to be offline. Try again when you are back.',
  not_signed_in: 'Sign in first.',
  permission_denied: 'Notifications are blocked for this site. Its settings in your browser can change that.',
  permission_dismissed: 'You were asked and did not answer. You can try again at any time.',
  needs_install: 'Add this app to your Home Screen first, and open it from there.',
  unsupported: 'This browser cannot receive notifications.',
  subscribe_failed:
    'Your browser could not be reached by its notification service. Try again later, or outside of a private window.',
  service_worker_failed: 'Notifications could not be set up on this device. Load the page again.',
  not_configured: 'Notifications are not set up for this app yet.',
  schema_not_exposed: 'Notifications are not set up for this app yet.',
  too_many_tests: 'That were many tests. Try again in an hour.',
  too_many_alerts: 'You have as many alerts as you may have. Delete one first.',
};

/** How failures are told. */
export const errorStrings = {
  retry: 'Try again',
  /** What to tell the user of an error; the message itself where its `code` is none that is known. */
  describe: ({ code, message }: { code: string; message: string; hint: string }): string =>
    WORDS[code] ?? message,
};
