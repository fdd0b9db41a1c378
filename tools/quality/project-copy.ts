import { cp } from 'node:fs/promises';
import { basename } from 'node:path';

const LEFT_OUT = new Set(['node_modules', '.git', '.supapush', '.temp', '.branches', 'coverage', '.env']);

/** Whether a file or folder is one of the project's own, by its name. */
export const isCopied = (path: string): boolean => !LEFT_OUT.has(basename(path));

/**
 * Copies a project's own files. Tools that keep notes beside what they read (the Supabase CLI remembers in
 * `supabase/.temp` which project is linked) work on a copy, so that the user's notes stay theirs.
 */
export async function copyProject(project: string, target: string): Promise<void> {
  await cp(project, target, { recursive: true, filter: isCopied });
}
