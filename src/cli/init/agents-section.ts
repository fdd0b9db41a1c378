import { createHash } from 'node:crypto';
import { join, relative } from 'node:path';
import { type Change, lineEndOf, planPatch, withLines } from './change.ts';
import type { Project } from './find-project.ts';
import { isPatchable, readOr } from './read-text.ts';

const SECTION = /<!-- supapush \S+ (?<sum>[0-9a-f]{12}): .*-->\r?\n(?<body>[\s\S]*?)<!-- \/supapush -->/;
const WHY = 'what coding assistants have to know to wire pushes right';

const BODY = `## Push notifications (Supapush)

- Devices, messages and settings of users are tables \`public.push_*\`, under row level security; schema \`push\` is private. Do not edit
  \`supabase/migrations/*_supapush_*.sql\` nor \`supabase/functions/push-*/supapush.js\`, and write no table, trigger, cron job or function of
  your own for pushes.
- To tell users of a row that changes, declare a rule in a migration: \`push.watch('name', 'public.table', p_recipients => …, p_title => …)\`.
  Before or after the time of a row: \`push.remind()\`. Expressions are SQL over \`new\` and \`old\`, in dollar quotes.
- To send one message: \`push.notify(user_id, 'Title', 'Body', '/path')\` in SQL, or from a server with the secret key
  \`supabase.rpc('push_notify', { p_user_id, p_message: { title, body, url } })\`. To all who joined a topic: \`push.notify_topic()\`.
- In the browser: \`createPushClient(supabase)\` from \`supapush/client\`; in React \`PushProvider\`, \`PushPrompt\`, \`InboxBell\` and \`PushSettings\`
  from \`supapush/react\`. Ask for permission only in a click. The client reads the VAPID key from the database: no environment
  variable of the frontend has it, and none may have the private one.
- The service worker is what \`supapush init\` put into the public folder. One worker per scope: an own one loads \`/supapush-sw.js\`.
- The guides are in \`node_modules/supapush/docs\`; every function and its parameters in \`docs/reference/sql.md\`.
`;

/**
 * The section of `AGENTS.md`, between two comments; the first has a sum of it, by which a later run knows that no person changed it.
 */
export async function planAgents(
  project: Project,
  { version }: { version: string },
): Promise<{ changes: Change[]; left: string[] }> {
  const { path, text, left } = await read(project);
  if (left.length > 0) return { changes: [], left };
  const section = `<!-- supapush ${version} ${sumOf(BODY)}: written by supapush init --agents, which replaces it -->\n${BODY}<!-- /supapush -->`;
  if (text === null)
    return { changes: [{ path, before: null, after: `${section}\n`, kind: 'create', why: WHY }], left: [] };
  const found = SECTION.exec(text);
  if (found === null) {
    return {
      changes: [planPatch(path, text, withLines(text, text === '' ? section : `\n${section}`), WHY)],
      left: [],
    };
  }
  if (!isUnchanged(found)) {
    const change: Change = {
      path,
      before: text,
      after: text,
      kind: 'kept',
      why: 'its section was changed: it is yours',
    };
    return { changes: [change], left: [] };
  }
  const written = section.replaceAll('\n', lineEndOf(text));
  return {
    changes: [
      planPatch(
        path,
        text,
        text.replace(found[0], () => written),
        WHY,
      ),
    ],
    left: [],
  };
}

/** The file without the section, unless a person changed it. */
export async function planWithoutAgents(project: Project): Promise<{ changes: Change[]; left: string[] }> {
  const { path, text, left } = await read(project);
  const found = SECTION.exec(text ?? '');
  if (text === null || found === null) return { changes: [], left: [] };
  if (left.length > 0 || !isUnchanged(found))
    return {
      changes: [],
      left: [
        `${relative(project.repository, path)} has a section about Supapush that was changed: remove it.`,
      ],
    };
  // The empty line that init put before it goes as well.
  const before = text.slice(0, found.index).replace(/(\r?\n)\r?\n$/, '$1');
  const after = before + text.slice(found.index + found[0].length).replace(/^\r?\n/, '');
  const why = 'without the section about Supapush';
  return {
    changes: [
      after === '' ? { path, before: text, after, kind: 'remove', why } : planPatch(path, text, after, why),
    ],
    left: [],
  };
}

async function read(project: Project): Promise<{ path: string; text: string | null; left: string[] }> {
  const path = join(project.repository, 'AGENTS.md');
  const left = (await isPatchable(path)) ? [] : ['AGENTS.md is not in UTF-8, and was left as it is.'];
  return { path, text: await readOr(path), left };
}

function isUnchanged({ groups = {} }: RegExpExecArray): boolean {
  return sumOf(groups.body ?? '') === groups.sum;
}

function sumOf(body: string): string {
  return createHash('sha256').update(body.replaceAll('\r\n', '\n')).digest('hex').slice(0, 12);
}
