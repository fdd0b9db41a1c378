import { lineEndOf } from './change.ts';

/** What our worker is called beside one of the app's, which loads it. */
export const LOADED = 'supapush-sw.js';

const COMMENT_OR_TEXT =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;
const CALL = /\bimportScripts\s*\(([^)]*)\)/g;
const OUR_SCRIPT = /(['"`])(?:[^'"`]*\/)?supapush-sw\.js(?:[?#][^'"`]*)?\1/;

/**
 * How a worker loads ours: by `importScripts`, as a module that imports the package, or not at all. `unclear` where it names supapush
 * in another way, as one that is bundled with it does. What a comment says does not count.
 */
export function loadingOf(worker: string): 'classic' | 'module' | 'module-without' | 'unclear' | 'none' {
  const code = worker.replaceAll(COMMENT_OR_TEXT, (part) => (part.startsWith('/') ? ' ' : part));
  if ([...code.matchAll(CALL)].some(([, scripts = '']) => OUR_SCRIPT.test(scripts))) return 'classic';
  if (/(['"])supapush\/service-worker\1/.test(code)) return 'module';
  if (/^\s*import\b/m.test(code)) return 'module-without';
  return /\bsupapush\b/i.test(code) ? 'unclear' : 'none';
}

/** Whether a source names the handler of the package, or our script, in a text of its own. What a comment says does not count. */
export function namesOurs(source: string): boolean {
  const code = source.replaceAll(COMMENT_OR_TEXT, (part) => (part.startsWith('/') ? ' ' : part));
  return OUR_SCRIPT.test(code) || /(['"])supapush\/service-worker\1/.test(code);
}

/** Whether a file is the ready service worker of a release, as it was built or changed since. */
export function isOurWorker(text: string): boolean {
  return /^\uFEFF?\/\* eslint-disable -- the service worker of supapush/.test(text);
}

/** The scripts that a worker loads by `importScripts`, as they are written there. What a comment says does not count. */
export function loadedScripts(worker: string): string[] {
  const code = worker.replaceAll(COMMENT_OR_TEXT, (part) => (part.startsWith('/') ? ' ' : part));
  return [...code.matchAll(CALL)].flatMap(([, scripts = '']) =>
    [...scripts.matchAll(/(['"`])([^'"`]+)\1/g)].map(([, , script = '']) => script),
  );
}

/** The line that loads ours. */
export function loadLine(): string {
  return `importScripts('/${LOADED}');`;
}

const SAID = '// Supapush: shows pushes and follows clicks';

/** The worker without the line that loads ours; undefined where that is not as `withImport` writes it. */
export function withoutImport(worker: string): string | undefined {
  const lines = worker.split(/(?<=\n)/);
  const index = lines.findIndex(
    (line) => line.trim() === `${loadLine()} ${SAID}` || line.trim() === loadLine(),
  );
  if (index < 0) return undefined;
  const mark = index === 0 && worker.startsWith('\uFEFF') ? '\uFEFF' : '';
  return mark + lines.filter((_, place) => place !== index).join('');
}

/** The worker with a line that loads ours before its own handlers, and after a directive, which has to come first. */
export function withImport(worker: string): string {
  const line = `${loadLine()} ${SAID}${lineEndOf(worker)}`;
  const start =
    /^\uFEFF?(?:(?:\s|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)*(['"])use strict\1;?[^\n]*\n)?/.exec(worker)?.[0] ?? '';
  return start + line + worker.slice(start.length);
}
