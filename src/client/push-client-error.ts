/** Every error that the client itself raises: what happened, and what to do. The database's own come with theirs. */
const ERRORS = {
  unsupported: [
    'This browser has no push messages.',
    'Open the page in a current Chrome, Edge, Firefox or Safari; not inside another app, nor in a private window.',
  ],
  insecure_origin: [
    'The page is not on https.',
    'Serve it over https. Plain http will do on localhost alone.',
  ],
  needs_install: [
    'On iPhone and iPad push is for pages on the Home Screen.',
    'Ask the user to choose Share, then "Add to Home Screen", and to open the page from there.',
  ],
  permission_denied: [
    'The user does not allow notifications.',
    "Only the browser's own settings for this page can change that: say where they are.",
  ],
  permission_dismissed: [
    'The question was closed without an answer.',
    'Ask again another time, after a click.',
  ],
  service_worker_failed: [
    'The service worker could not be registered.',
    'Copy node_modules/supapush/dist/sw.js to where your app serves its files, or say with the option serviceWorker where it is.',
  ],
  subscribe_failed: [
    'The browser did not subscribe to its push service.',
    'Try again. If it goes on, the push service is blocked (a proxy, a private window, a setting of the browser).',
  ],
  not_signed_in: ['Nobody is signed in.', 'Sign in first.'],
  not_configured: [
    'The project has no VAPID key for browsers yet.',
    'Run "npm run connect" for the project.',
  ],
  not_installed: ['The database lacks a part of Supapush.', 'Apply its migrations: supabase db push.'],
  schema_not_exposed: [
    'The project does not serve the schema public, where the tables of Supapush are.',
    'Add it: Dashboard → Project Settings → Data API → Exposed schemas.',
  ],
  forbidden: ['The database does not allow this.', 'Sign in as the user whose data it is.'],
  not_found: ['There is no such thing of this user.', 'It may have been deleted: load the list anew.'],
  offline: ['The project cannot be reached.', 'Try again when the network is back.'],
  failed: ['The project refused this.', 'Look at the message and the status.'],
} as const;

export type PushClientErrorCode = keyof typeof ERRORS;

/**
 * What went wrong: `code` for programs, `message` what it was, `hint` what to do about it, and the HTTP `status` where
 * the project answered. `code` is one of `PushClientErrorCode`, or one that the database raised (`too_many_tests`).
 */
export class PushClientError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly status: number | undefined;

  constructor(
    code: string,
    {
      message,
      hint,
      status,
      cause,
    }: { message?: string; hint?: string; status?: number; cause?: unknown } = {},
  ) {
    const known = ERRORS[code as PushClientErrorCode] ?? ERRORS.failed;
    super(message || known[0], cause === undefined ? undefined : { cause });
    this.name = 'PushClientError';
    this.code = code;
    this.hint = hint || known[1];
    this.status = status;
  }
}

/** Whether the project was not reached, so that the same may work later. */
export function isOffline(error: unknown): boolean {
  return error instanceof PushClientError && error.code === 'offline';
}
