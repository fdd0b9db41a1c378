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

/**
 * The commands that take Supapush out of the hosted project, each by itself: one that has nothing to do fails, and the others go on.
 *
 * @param named the names that stand in the file of the secrets, among which are those of sources of quotes
 */
export function uninstallSteps(
  project: Project,
  { changes }: Pick<Plan, 'changes'>,
  { functions }: Pick<Release, 'functions'>,
  { calledIn, named }: { calledIn: string; named: readonly string[] },
): string[] {
  const folder = relative(calledIn, project.root);
  const secrets = [...SECRETS, ...named.filter((name) => name.startsWith('PUSH_QUOTES_'))];
  return [
    ...(folder === '' ? [] : [`cd ${quoted(folder)}`]),
    ...(changes.some(({ kind }) => kind === 'create') ? ['npx supabase db push'] : []),
    ...functions.map(({ name }) => `npx supabase functions delete ${name}`),
    `npx supabase secrets unset ${secrets.join(' ')}`,
    `Take what imports supapush out of your sources, and then: ${callsOf(project).remove} supapush`,
    'Browsers keep a service worker whose file is gone: docs/start/uninstall.md of the package says how your pages remove it.',
  ];
}
