import { relative } from 'node:path';
import type { Project } from '../init/find-project.ts';
import { callsOf, quoted } from '../init/next-steps.ts';
import type { Plan } from '../init/plan.ts';
import type { Release } from '../init/release.ts';

/** What Edge Functions of Supapush are told by secrets. */
const SECRETS = [
  'VAPID_SUBJECT',
  'VAPID_PUBLIC_KEY',
  'VAPID_PRIVATE_KEY',
  'VAPID_PREVIOUS_KEYS',
  'PUSH_BELL_SECRET',
  'PUSH_PADDING',
  'FCM_SERVICE_ACCOUNT',
];

/** The secrets that Edge Functions of Supapush may have: those of its own, and of what stands in their file those of sources of quotes. */
export function secretsOf(named: readonly string[]): string[] {
  return [...SECRETS, ...named.filter((name) => name.startsWith('PUSH_QUOTES_'))];
}

/**
 * The commands that take Supapush out of the hosted project, each by itself: one that has nothing to do fails, and the others go on.
 *
 * @param secrets the names of the secrets of Supapush
 * @param used those among them that functions of the app name, each with a file that does: they stay
 */
export function uninstallSteps(
  project: Project,
  { changes }: Pick<Plan, 'changes'>,
  { functions }: Pick<Release, 'functions'>,
  {
    calledIn,
    secrets,
    used,
  }: { calledIn: string; secrets: readonly string[]; used: ReadonlyMap<string, string> },
): string[] {
  const folder = relative(calledIn, project.root);
  const unset = secrets.filter((name) => !used.has(name));
  return [
    ...(folder === '' ? [] : [`cd ${quoted(folder)}`]),
    ...(changes.some(({ kind }) => kind === 'create') ? ['npx supabase db push'] : []),
    ...functions.map(({ name }) => `npx supabase functions delete ${name}`),
    ...(unset.length === 0 ? [] : [`npx supabase secrets unset ${unset.join(' ')}`]),
    ...[...used].map(
      ([name, path]) => `${name} stays set: ${path} of yours names it. Unset it if nothing needs it.`,
    ),
    `Take what imports supapush out of your sources, and then: ${callsOf(project).remove} supapush`,
    'Browsers keep a service worker whose file is gone: docs/start/uninstall.md of the package says how your pages remove it.',
  ];
}
