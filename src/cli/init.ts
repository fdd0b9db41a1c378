import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { publicKeyOf } from '../server/channels/webpush/vapid-key-forms.ts';
import { decodeBase64Url } from '../shared/base64url.ts';
import { SupapushError } from '../shared/errors.ts';
import type { Command } from './command.ts';
import {
  changeLines,
  changeReport,
  isWanted,
  refuseToAsk,
  settle,
  todoLines,
  WRITE_OPTIONS,
} from './confirm.ts';
import { isPending } from './init/change.ts';
import { findProject, type Project } from './init/find-project.ts';
import { writeProject } from './init/interrupted-run.ts';
import { nextSteps } from './init/next-steps.ts';
import { type Plan, planInit } from './init/plan.ts';
import { type Release, readRelease } from './init/release.ts';

const USAGE = `Usage: npx supapush init [options]

Puts Supapush into the Supabase project of this folder: one migration after your newest, four Edge Functions, their settings in
config.toml, lines for .gitignore, and the service worker. It says first what it will write. What is there already is never
replaced, and a second run changes nothing. A project of an earlier release is for supapush upgrade.

  --yes               write without asking
  --dry-run           say what would be written, and write nothing
  --json              print one object of JSON instead of text; with --yes or --dry-run
  --workdir <folder>  where the project is, if not in this folder, above or below it
  --public <folder>   the folder that your app serves from its root, for the service worker
  --no-worker         leave the service worker out
  --take-over <table> copy the push subscriptions of a table of yours; one called push_subscriptions gets another name first
  --vapid-key <key>   with it: the public VAPID key that they were made with, where it is not the one that your project has had from the start
  --agents            add a short section to AGENTS.md, so that coding assistants wire pushes right; one of before is replaced

Exit codes: 0 done or nothing to do, 1 nothing could be written, 2 called wrongly.`;

async function run(args: string[]): Promise<string> {
  const { values } = parseArgs({
    args,
    options: {
      ...WRITE_OPTIONS,
      'take-over': { type: 'string' },
      'vapid-key': { type: 'string' },
      agents: { type: 'boolean', default: false },
      'no-worker': { type: 'boolean', default: false },
    },
  });
  const { yes, json, 'dry-run': dry } = values;
  refuseToAsk(values);
  const vapidKey = vapidKeyOf(values['vapid-key'], values['take-over']);
  const calledIn = resolve('.');
  const release = await readRelease();
  const project = await findProject(values.workdir ?? calledIn);
  const { said, left: toDo } = settle(project, dry);
  const plan = await planInit(project, release, {
    now: new Date(),
    publicFolder: values.public,
    worker: !values['no-worker'],
    takeOver: values['take-over'],
    vapidKey,
    agents: values.agents,
  });
  const pending = plan.changes.filter(isPending);
  let written = false;
  if (pending.length > 0 && !dry) {
    if (!yes && !(await isWanted(`${describe(project, release, plan, calledIn)}\n\nWrite this?`)))
      return 'Nothing was written.';
    writeProject(project, plan.changes);
    written = true;
  }
  const next = nextSteps(project, release, calledIn);
  if (json) return JSON.stringify(report(project, release, plan, { written, next, said, toDo }));
  const outcome =
    pending.length === 0
      ? 'All of it is there: nothing was changed.'
      : written
        ? 'Written.'
        : 'Nothing was written: --dry-run.';
  const shown = yes || dry || pending.length === 0 ? [describe(project, release, plan, calledIn), ''] : [];
  return [...shown, outcome, ...todoLines(plan.left, next)].join('\n');
}

/** As it is stored with a device. Throws `usage`. */
function vapidKeyOf(given: string | undefined, takeOver: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  if (takeOver === undefined) throw new SupapushError('usage', '--vapid-key goes with --take-over.');
  const key = publicKeyOf(given);
  const bytes = decodeBase64Url(key);
  if (bytes?.length !== 65 || bytes[0] !== 4)
    throw new SupapushError(
      'usage',
      '--vapid-key takes a public VAPID key: 65 bytes in base64url. npx supapush vapid lists yours.',
    );
  return key;
}

function describe(project: Project, release: Release, { changes }: Plan, calledIn: string): string {
  return [`Supapush ${release.version} in ${project.root}`, '', ...changeLines(changes, calledIn)].join('\n');
}

function report(
  project: Project,
  release: Release,
  { changes, left }: Plan,
  { written, next, said, toDo }: Record<'next' | 'said' | 'toDo', string[]> & { written: boolean },
) {
  return {
    version: release.version,
    project: project.root,
    written,
    changes: changes.map((change) => changeReport(change, project.root)),
    left: [...said, ...toDo, ...left],
    next,
  };
}

export const command: Command = { usage: USAGE, run };
