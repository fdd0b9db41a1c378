import { expect, test } from 'vitest';
import { type Report, withFile } from '../../../../src/cli/doctor/report.ts';
import { command } from '../../../../src/cli/doctor.ts';
import { called } from '../../../support/command.ts';
import { CONFIG, withLookAlike } from '../init/look-alike.ts';

const FILE = 'supabase/functions/.env.supapush.staging';

/** What becomes of a cure where doctor was given a file. */
function cureWith(cure: string, file?: string): string | undefined {
  const finding = { code: 'x', message: 'npx supapush secrets makes them.', cure };
  const report: Report = {
    version: '0.1.0',
    project: '/shop',
    parts: [{ part: 'folder', checks: [{ name: 'one', findings: [finding] }], fixed: [], skipped: null }],
    ignored: [],
  };
  const [changed] = withFile(report, file).parts[0]?.checks[0]?.findings ?? [];
  expect(changed?.message).toBe(finding.message);
  return changed?.cure;
}

test.each([
  [
    'npx supapush secrets --subject mailto:a@b.example',
    `npx supapush secrets --file ${FILE} --subject mailto:a@b.example`,
  ],
  [
    "git rm --cached 'x' && npx supapush vapid rotate",
    `git rm --cached 'x' && npx supapush vapid --file ${FILE} rotate`,
  ],
  ['npx supapush connect', `npx supapush connect --file ${FILE}`],
  ['npm run connect', `npm run connect -- --file ${FILE}`],
  ['npm run connect -- --adopt', `npm run connect -- --file ${FILE} --adopt`],
  [
    'npx supabase secrets set --env-file y && npx supapush connect --project-url https://a.example',
    `npx supabase secrets set --env-file y && npx supapush connect --file ${FILE} --project-url https://a.example`,
  ],
  ['npx supapush doctor --fix', `npx supapush doctor --file ${FILE} --fix`],
  // They read no secrets.
  ['npx supapush init && npx supabase db push', 'npx supapush init && npx supabase db push'],
  ['npx supapush upgrade', 'npx supapush upgrade'],
])('the cure %j reads the file that doctor was given', (cure, named) => {
  expect(cureWith(cure, FILE)).toBe(named);
  expect(cureWith(cure)).toBe(cure);
});

test('a path with spaces is one word', () => {
  expect(cureWith('npx supapush connect', 'my secrets.env')).toBe(
    "npx supapush connect --file 'my secrets.env'",
  );
});

test('doctor says so itself', async () => {
  const clone = {
    'supabase/functions/push-dispatch/index.ts': "import '../../../src/server/functions/push-dispatch.ts';\n",
  };
  await withLookAlike({ 'supabase/config.toml': CONFIG, ...clone }, async ({ folder }) => {
    const file = `${folder}/staging.env`;
    const { text } = await called(command, '--workdir', folder, '--only', 'folder', '--file', file, '--json');
    const { findings } = JSON.parse(text) as { findings: { code: string; cure: string }[] };
    expect(findings.find(({ code }) => code === 'secrets_missing')?.cure).toContain(
      `--file ${file} --subject`,
    );
  });
});
