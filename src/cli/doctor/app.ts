import { sameText } from '../init/change.ts';
import { isOurWorker, loadedScripts } from '../init/worker-text.ts';
import { ask } from './answer.ts';
import type { Check, Finding } from './check.ts';

/** What the look at the app is given. */
export interface AppFacts {
  /** Where the app is served. */
  appUrl: string;
  /** The path of the service worker. */
  worker: string;
  /** The ready service worker of the package; null where it was not built. */
  released: string | null;
  /** Milliseconds that an answer may take. */
  patience: number;
}

export const APP_CHECKS: Check<AppFacts>[] = [
  { name: 'the address', look: addressFindings },
  { name: 'the service worker', look: workerFindings },
];

/** In every build of the handler, however small it was made. */
const HANDLER = 'supapush.worker';

function addressFindings({ appUrl }: AppFacts): Finding[] {
  const { protocol, hostname } = new URL(appUrl);
  if (protocol === 'https:' || /^(localhost|127\.[\d.]+|\[::1\]|.*\.localhost)$/.test(hostname)) return [];
  return [
    {
      code: 'app_not_secure',
      message: `${appUrl} is not https: browsers neither run service workers there, nor take pushes.`,
      cure: 'Serve the app by https.',
    },
  ];
}

async function workerFindings({ appUrl, worker, released, patience }: AppFacts): Promise<Finding[]> {
  const address = new URL(worker, appUrl).href;
  const served = await load(address, patience);
  if (typeof served !== 'string') return [served];
  if (served.includes(HANDLER)) return releaseFindings(address, served, released);
  const found: string[] = [];
  for (const script of loadedScripts(served)) {
    const loaded = new URL(script, address).href;
    const text = await load(loaded, patience);
    if (typeof text !== 'string') return [text];
    if (text.includes(HANDLER)) return releaseFindings(loaded, text, released);
    found.push(loaded);
  }
  const also = found.length === 0 ? '' : `, nor do the scripts that it loads (${found.join(', ')})`;
  return [
    {
      code: 'worker_without_handler',
      message: `${address} does not hold the handler of Supapush${also}: pushes are not shown.`,
      cure: "npx supapush init, or importScripts('/supapush-sw.js'); as the first line of your worker",
    },
  ];
}

function releaseFindings(address: string, text: string, released: string | null): Finding[] {
  // One that is bundled with the app's own cannot be compared.
  if (released === null || !isOurWorker(text) || sameText(text, released)) return [];
  return [
    {
      code: 'worker_of_other_release',
      message: `${address} is the service worker of another release.`,
      cure: 'npx supapush upgrade, and deploy the app',
    },
  ];
}

/** The text of a script that a browser would run; otherwise what is wrong with it. */
async function load(address: string, patience: number): Promise<string | Finding> {
  const answer = await ask(address, patience);
  if (typeof answer === 'string') {
    return {
      code: 'app_unreachable',
      message: `${address} does not answer from here: ${answer}`,
      cure: 'Check the address of the app (--app-url) and your network.',
    };
  }
  const { status, type, redirectedTo, text } = answer;
  const finding = (message: string): Finding => ({
    code: 'worker_not_served',
    message,
    cure: 'npx supapush init puts it where the app serves files from its root; then deploy the app. Elsewhere: --worker <path>',
  });
  if (status !== 200) return finding(`${address} answers ${status}.`);
  // Apps of one page answer every unknown path with that page.
  if (!/javascript|ecmascript/i.test(type))
    return finding(`${address} is served as ${type}, and no browser runs that as a service worker.`);
  if (redirectedTo !== undefined)
    return finding(
      `${address} redirects to ${redirectedTo}: browsers refuse a service worker behind a redirect.`,
    );
  return text;
}
