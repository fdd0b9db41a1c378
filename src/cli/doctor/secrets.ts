import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { privateKeyOf, publicKeyOf } from '../../server/channels/webpush/vapid-key-forms.ts';
import { subjectFault } from '../../server/channels/webpush/vapid-subject.ts';
import { callOf } from '../command.ts';
import type { Project } from '../init/find-project.ts';
import { readOr } from '../init/read-text.ts';
import type { Settings } from '../open-database.ts';
import { publicOf } from '../vapid-pair.ts';
import type { Check, Finding } from './check.ts';

/** What the look at the secrets is given. */
export interface SecretFacts {
  project: Project;
  /** Where they stand, as seen from the project's folder. */
  file: string;
  setting: Settings;
}

/** What every project needs. */
const NEEDED = ['VAPID_SUBJECT', 'VAPID_PUBLIC_KEY', 'VAPID_PRIVATE_KEY', 'PUSH_BELL_SECRET'];
const SECRETS = callOf('secrets', '--subject mailto:you@example.com');

export const SECRET_CHECKS: Check<SecretFacts>[] = [
  { name: '.gitignore', look: gitFindings },
  { name: 'the secrets', look: secretFindings },
];

async function gitFindings({ project: { root }, file }: SecretFacts): Promise<Finding[]> {
  const tracked = await git(root, ['ls-files', '--error-unmatch', '--', file]);
  if (tracked === 0) {
    return [
      {
        code: 'secrets_in_git',
        message: `git keeps ${file}: everyone who can read the repository can send as you.`,
        cure: `git rm --cached '${file}' && ${callOf('vapid', 'rotate')}`,
      },
    ];
  }
  const ignored = await git(root, ['check-ignore', '-q', '--', file]);
  // 128: no repository, or no git. Then the lines of the file count.
  if (ignored === 0 || (ignored !== 1 && (await isNamed(root, file)))) return [];
  return [
    {
      code: 'secrets_not_ignored',
      message: `git does not ignore ${file}: the next commit of everything takes the secrets along.`,
      cure: `echo '${file}' >> .gitignore`,
    },
  ];
}

async function secretFindings({ project, file, setting }: SecretFacts): Promise<Finding[]> {
  const missing = NEEDED.filter((name) => setting(name) === undefined);
  if (missing.length > 0) {
    const message =
      missing.length === NEEDED.length
        ? `There are no secrets in ${file}, nor in the environment.`
        : `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} neither in ${file} nor in the environment.`;
    return [{ code: 'secrets_missing', message, cure: SECRETS }, ...readableFindings(project, file)];
  }
  const [subject = '', publicKey = '', privateKey = '', bellSecret = ''] = NEEDED.map((name) =>
    setting(name),
  );
  const findings: Finding[] = readableFindings(project, file);
  const subjectIs = subjectFault(subject);
  if (subjectIs !== null) {
    findings.push({
      code: 'vapid_subject_invalid',
      message: `VAPID_SUBJECT ${subjectIs}: push services refuse any other contact.`,
      cure: `Write VAPID_SUBJECT=mailto:you@example.com into ${file}, then: npx supabase secrets set --env-file ${file}`,
    });
  }
  if (publicOf(privateKeyOf(privateKey)) !== publicKeyOf(publicKey)) {
    findings.push({
      code: 'vapid_keys_invalid',
      message: `VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY of ${file} are no pair: push services refuse every message.`,
      cure: `Restore the pair, or remove both lines and run: ${SECRETS}`,
    });
  }
  if (bellSecret.length < 32 || !/^[!-~]+$/.test(bellSecret)) {
    findings.push({
      code: 'bell_secret_invalid',
      message: `PUSH_BELL_SECRET of ${file} must be at least 32 printable ASCII characters without spaces.`,
      cure: `Remove the line, and run: ${SECRETS}`,
    });
  }
  return findings;
}

function readableFindings({ root }: Project, file: string): Finding[] {
  const path = join(root, file);
  // Windows has no such rights.
  if (process.platform === 'win32' || !existsSync(path) || (statSync(path).mode & 0o077) === 0) return [];
  return [
    {
      code: 'secrets_readable',
      message: `Other users of this machine may read ${file}.`,
      cure: `chmod 600 '${file}'`,
    },
  ];
}

async function isNamed(root: string, file: string): Promise<boolean> {
  const lines = ((await readOr(join(root, '.gitignore'))) ?? '').split(/\r?\n/).map((line) => line.trim());
  return lines.includes(file) || lines.includes(`/${file}`);
}

/** The exit code of git in a folder; null where it could not be started. */
function git(folder: string, args: string[]): Promise<number | null> {
  return new Promise((resolve) => {
    const child = execFile('git', args, { cwd: folder }, () => resolve(child.exitCode));
    child.on('error', () => resolve(null));
  });
}
