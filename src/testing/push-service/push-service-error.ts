export type PushServiceErrorCode =
  /** Waiting took longer than `timeoutMs`. */
  | 'timeout'
  /** The caller's AbortSignal fired while waiting. */
  | 'aborted'
  /** The push service was stopped while something waited on it. */
  | 'stopped'
  /** An application server key is not an uncompressed P-256 point in base64url. */
  | 'invalid_application_server_key'
  /** An encrypted message does not follow RFC 8188 or RFC 8291, or was made for other keys. */
  | 'undecryptable'
  /** `script` was given something that is not an endpoint of this push service. */
  | 'foreign_endpoint';

/** What the local push service throws; callers branch on `code`. */
export class PushServiceError extends Error {
  readonly code: PushServiceErrorCode;

  constructor(code: PushServiceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PushServiceError';
    this.code = code;
  }
}
