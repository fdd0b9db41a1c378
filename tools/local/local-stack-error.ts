/** Why the local stack could not do what was asked; branch on it, never on the message. */
export type LocalStackErrorCode =
  | 'unsupported_platform'
  | 'port_in_use'
  | 'directory_in_use'
  | 'directory_not_accessible'
  | 'postgres_failed'
  | 'migration_failed'
  | 'extension_missing';

/** An error of the local stack that the person at the terminal can act on. */
export class LocalStackError extends Error {
  override readonly name = 'LocalStackError';
  readonly code: LocalStackErrorCode;

  constructor(code: LocalStackErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
