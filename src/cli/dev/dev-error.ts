/** Why `supapush dev` does not start. */
export type DevErrorCode =
  | 'packages_not_installed'
  | 'node_too_old'
  | 'needs_node_modules'
  | 'already_running';

/** Nothing runs; `message` says why, and what to do. */
export class DevError extends Error {
  override readonly name = 'DevError';
  readonly code: DevErrorCode;

  constructor(code: DevErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
