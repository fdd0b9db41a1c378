import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Command } from './command.ts';
import {
  changeLines,
  changeReport,
  isWanted,
  refuseToAsk,
  settle,
  shownPath,
  todoLines,
  WRITE_OPTIONS,
} from './confirm.ts';
import { type Change, isPending } from './init/change.ts';
import { findProject, type Project } from './init/find-project.ts';
import { writeProject } from './init/interrupted-run.ts';
import { deploySteps } from './init/next-steps.ts';
import { packagePath, type Release, readRelease } from './init/release.ts';
import { changesBetween } from './upgrade/changelog.ts';
import { diffOf } from './upgrade/diff.ts';
import { planUpgrade, type UpgradePlan } from './upgrade/plan-upgrade.ts';

const USAGE = `Usage: npx supapush upgrade [options]

Brings the Supabase project of this folder to the release of this package: a migration for each later release, after your newest,
the bundles of the Edge Functions, and the service worker. It says first what it will write, and what the changelog says. What you
changed is kept, and shown as a diff; a second run changes nothing.

  --yes               write without asking
  --dry-run           say what would be written, and write nothing
  --json              print one object of JSON instead of text; with --yes or --dry-run
  --public <folder>   the folder that your app serves from its root, where the repository has several projects with Supapush
  --workdir <folder>  where the project is, if not in this folder, above or below it

Exit codes: 0 done or nothing to do, 1 nothing could be written, 2 called wrongly.`;

async function run(args: string[]): Promise<string> {
  const { values } = parseArgs({
    args,
    options: WRITE_OPTIONS,
  });
  const { yes, json, 'dry-run': dry } = values;
  refuseToAsk(values);
  const calledIn = resolve('.');
  const release = await readRelease();
  const project = await findProject(values.workdir ?? calledIn);
  const { said, left: toDo } = settle(project, dry);
  const plan = await planUpgrade(
    project,
    release,
    new Date(),
    values.public === undefined ? undefined : resolve(values.public),
  );
  const changelog = changesBetween(
    await readFile(packagePath('CHANGELOG.md'), 'utf8'),
    plan.from,
    release.version,
  );
  const isThere = !plan.changes.some(isPending);
  const description = describe({ project, release, plan, changelog }, calledIn);
  let written = false;
  if (!isThere && !dry) {
    if (!yes && !(await isWanted(`${description}\n\nWrite this?`))) return 'Nothing was written.';
    writeProject(project, plan.changes);
    written = true;
  }
  const next = isThere ? [] : deploySteps(project, release, calledIn);
  if (json)
    return JSON.stringify(report({ project, release, plan, changelog }, { written, next, said, toDo }));
  const outcome = isThere
    ? `This project is of ${release.version}: nothing was changed.`
    : written
      ? 'Written.'
      : 'Nothing was written: --dry-run.';
  return [
    ...(yes || dry || isThere ? [description, ''] : []),
    outcome,
    ...todoLines(plan.left, next, 'Next, in this order:'),
  ].join('\n');
}

interface Upgrade {
  project: Project;
  release: Release;
  plan: UpgradePlan;
  changelog: string;
}

function describe({ project, release, plan, changelog }: Upgrade, calledIn: string): string {
  const { from, changes } = plan;
  const title =
    from === release.version
      ? `Supapush ${from}`
      : `Supapush ${from} → ${release.version}, in ${project.root}`;
  const diffs = changes.flatMap((change) => {
    const diff = diffOfKept(change);
    const path = shownPath(change.path, calledIn);
    return diff === undefined ? [] : ['', `${path}, yours (-) and that of ${release.version} (+):`, diff];
  });
  return [
    title,
    '',
    ...changeLines(
      changes.filter(({ kind }) => kind !== 'unchanged'),
      calledIn,
    ),
    ...diffs,
    ...(changelog === '' ? [] : ['', changelog]),
  ]
    .join('\n')
    .trimEnd();
}

function report(
  { project, release, plan, changelog }: Upgrade,
  { written, next, said, toDo }: Record<'next' | 'said' | 'toDo', string[]> & { written: boolean },
) {
  return {
    from: plan.from,
    version: release.version,
    project: project.root,
    written,
    changes: plan.changes.map((change) => ({
      ...changeReport(change, project.root),
      diff: diffOfKept(change),
    })),
    left: [...said, ...toDo, ...plan.left],
    changelog,
    next,
  };
}

function diffOfKept({ kind, before, offered }: Change): string | undefined {
  return kind === 'kept' && before !== null && offered !== undefined ? diffOf(before, offered) : undefined;
}

export const command: Command = { usage: USAGE, run };
