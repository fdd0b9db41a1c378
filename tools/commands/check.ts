import { checkPackage } from '../build/check-package.ts';
import { checkProject } from '../quality/check-project.ts';
import { runStepsCommand } from '../quality/run-steps-command.ts';
import { checkReference } from '../reference/reference.ts';

const USAGE = `Usage: npm run check -- [options]

Everything about the sources that can be told without running the tests: types, formatting, lint rules, the Edge
Functions under Deno, their versions, generated files, links of the pages, the package that apps would get, and Supabase's
advisors about the migrations.
`;

await runStepsCommand(USAGE, (project, listener) =>
  checkProject(project, listener, [
    ['docs/reference is up to date', checkReference],
    ['the package that apps would get', checkPackage],
  ]),
);
