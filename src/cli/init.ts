import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Command } from './command.ts';
import { changeLines, changeReport, isWanted, refuseToAsk, todoLines, WRITE_OPTIONS } from './confirm.ts';
import { isPending } from './init/change.ts';
import { findProject, type Project } from './init/find-project.ts';
import { nextSteps } from './init/next-steps.ts';
import { type Plan, planInit } from './init/plan.ts';
import { type Release, readRelease } from './init/release.ts';
import { writeChanges } from './init/write-changes.ts';

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
  --agents            add a short section to AGENTS.md, so that coding assistants wire pushes right; one of before is replaced

Exit codes: 0 done or nothing to do, 1 nothing could be written, 2 called wrongly.`;

async function run(args: string[]): Promise<string> {
  const { values } = parseArgs({
    args,
    options: {
      ...WRITE_OPTIONS,
      'take-over': { type: 'string' },
      agents: { type: 'boolean', default: false },
      'no-worker': { type: 'boolean', default: false },
    },
  });
  const { yes, json, 'dry-run': dry } = values;
  refuseToAsk(values);
  const calledIn = resolve('.');
  const release = await readRelease();
  const project = await findProject(values.workdir ?? calledIn);
  const plan = await planInit(project, release, {
    now: new Date(),
    publicFolder: values.public,
    worker: !values['no-worker'],
    takeOver: values['take-over'],
    agents: values.agents,
  });
  const pending = plan.changes.filter(isPending);
  let written = false;
  if (pending.length > 0 && !dry) {
    if (!yes && !(await isWanted(`${describe(project, release, plan, calledIn)}\n\nWrite this?`)))
      return 'Nothing was written.';
    writeChanges(plan.changes);
    written = true;
  }
  const next = nextSteps(project, release, calledIn);
  if (json) return JSON.stringify(report(project, release, plan, { written, next }));
  const outcome =
    pending.length === 0
      ? 'All of it is there: nothing was changed.'
      : written
        ? 'Written.'
        : 'Nothing was written: --dry-run.';
  const shown = yes || dry || pending.length === 0 ? [describe(project, release, plan, calledIn), ''] : [];
  return [...shown, outcome, ...todoLines(plan.left, next)].join('\n');
}

function describe(project: Project, release: Release, { changes }: Plan, calledIn: string): string {
  return [`Supapush ${release.version} in ${project.root}`, '', ...changeLines(changes, calledIn)].join('\n');
}

function report(
  project: Project,
  release: Release,
  { changes, left }: Plan,
  { written, next }: { written: boolean; next: string[] },
) {
  return {
    version: release.version,
    project: project.root,
    written,
    changes: changes.map((change) => changeReport(change, project.root)),
    left,
    next,
  };
}

export const command: Command = { usage: USAGE, run };
