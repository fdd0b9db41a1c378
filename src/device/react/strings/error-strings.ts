/** What users read, by an error's code: its message and hint are meant for developers. */
const WORDS: Record<string, string> = {
  offline: 'You seem to be offline. Check your connection.',
  not_signed_in: 'Please sign in first.',
  permission_denied:
    'Notifications are blocked. You can allow them in your browser’s settings for this site.',
  permission_dismissed: 'Your browser asked for permission and got no answer. You can try again at any time.',
  needs_install: 'Add this app to your Home Screen first, then open it from there.',
  unsupported: 'This browser cannot receive notifications.',
  subscribe_failed:
    'Your browser could not reach its notification service. Try again later, and not in a private window.',
  service_worker_failed: 'Notifications could not be set up on this device. Reload the page and try again.',
  worker_without_push: 'Notifications are not set up for this app yet.',
  not_configured: 'Notifications are not set up for this app yet.',
  schema_not_exposed: 'Notifications are not set up for this app yet.',
  too_many_tests: 'You have sent too many tests. Try again in an hour.',
  too_many_alerts: 'You have reached the maximum number of alerts. Delete one first.',
  timezone_unknown: 'This time zone is not supported. Choose another one.',
};

/** What failures say. */
export const errorStrings = {
  retry: 'Try again',
  /** What an error says to users; its own message where the `code` is not known. */
  describe: ({ code, message }: { code: string; message: string; hint: string }): string =>
    WORDS[code] ?? message,
};
