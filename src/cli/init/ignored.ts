import { SECRETS_FILE } from '../environment-file.ts';

/** What init adds to `.gitignore`, and uninstall takes out. */
export const IGNORED = {
  comment: '# Supapush: secrets, and the state of the local stack',
  lines: [SECRETS_FILE, '.supapush/'],
};
