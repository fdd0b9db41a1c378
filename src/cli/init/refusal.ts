/** Why `supapush init` or `upgrade` writes nothing into a project as it is. */
export type RefusalCode =
  | 'project_not_found'
  | 'package_incomplete'
  | 'other_release'
  | 'not_installed'
  | 'no_later_stamp'
  | 'objects_taken'
  | 'take_over_refused'
  | 'function_taken'
  | 'config_refused'
  | 'file_changed'
  | 'not_written';

/** Nothing was written; `message` says why, and what to do. */
export class InitRefusal extends Error {
  override readonly name = 'InitRefusal';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
