import { chmod, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest';
import { SCENARIOS } from '../../tools/demo/scenarios.ts';
import { PROJECT, withPlantedProject } from '../functions/deploy/planted-project.ts';
import type {} from '../support/migrated-cluster.ts';
import { expectNothingBelow, type LocalProcess, startProcess } from './local/local-process.ts';

// Everything a demo leaves would be in here, or was started from here.
let temporary: string;
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'demo-test-'));
  // Under root, Postgres runs as another user and must pass through.
  await chmod(temporary, 0o711);
});
afterEach(() => rm(temporary, { recursive: true, force: true }));

function demo(project = PROJECT, ...args: string[]): LocalProcess {
  // On a copy of a cluster that is migrated: to make and migrate one is for the first test.
  const copying = { SUPAPUSH_CLUSTER: inject('cluster') };
  return runBelow(process.execPath, [join(project, 'tools', 'commands', 'demo.ts'), ...args], copying);
}

function runBelow(command: string, args: string[], more: NodeJS.ProcessEnv = {}): LocalProcess {
  const { FORCE_COLOR: _, ...environment } = process.env;
  const started = startProcess(command, args, { ...environment, ...more, TMPDIR: temporary });
  onTestFinished(() => void started.child.kill('SIGKILL'));
  return started;
}

// The limit is the promise: told from beginning to end in under 60 seconds.
test('the demo tells every chapter, ends with 0, and leaves nothing behind', {
  timeout: 60_000,
}, async () => {
  const run = runBelow('npm', ['run', 'demo', '--prefix', PROJECT]);
  const code = await run.ended;
  const told = run.stdout.join('\n');
  expect([code, run.stderr], told).toEqual([0, []]);
  expect(run.stdout.filter((line) => /^\d\. /.test(line)).map((line) => line[0])).toEqual([
    '1',
    '2',
    '3',
    '4',
    '5',
  ]);
  for (const shown of [
    /✓ Ben asks for Anna's subscriptions: \[\]/,
    /✓ Ben tries to insert one in Anna's name: refused/,
    /✓ .*address inside the data centre: refused/,
    /Anna's laptop decrypted: "Acme is won" .* -?\d+ ms after commit/,
    /Anna's phone decrypted: "Acme is won" .* -?\d+ ms after commit/,
    /✓ .*410.*its row is gone/,
    /✓ last_used_at is set on the other two/,
    /✓ Ben's phone got nothing/,
    /✓ Ben's phone decrypted it when it was due/,
    /Done in \d+\.\d s/,
  ])
    expect(told).toMatch(shown);
  expect(told).not.toContain('✗');
  expect(told, 'a pipe is no terminal').toBe(stripVTControlCharacters(told));
  await expectNothingBelow(temporary);
});

test.each([
  ['crm', [/Anna's phone: "Rocket is won"/, /✓ nothing on the phones of Carla and Dora/]],
  ['events', [/Tom's phone: "New: Concert"/, /Hugo's phone: "Changed: Concert"/, /✓ and has read it/]],
  ['bookings', [/Gus's phone: "Your booking is confirmed"/, /Sara's phone: "Booking cancelled"/]],
  ['stock', [/Willi's phone: "📦 Tea is running low"/, /✓ nothing on the phones of Vera and Willi/]],
])('the demo acts out the example %s', { timeout: 60_000 }, async (example, shown) => {
  const run = demo(PROJECT, example);
  const code = await run.ended;
  const told = run.stdout.join('\n');
  expect([code, run.stderr], told).toEqual([0, []]);
  for (const line of shown) expect(told).toMatch(line);
  expect(told).not.toContain('✗');
  await expectNothingBelow(temporary);
});

// The limit is a promise again.
test('the demo of alerts tells every crossing and every push of its day', { timeout: 40_000 }, async () => {
  const run = demo(PROJECT, 'alerts');
  const code = await run.ended;
  const told = run.stdout.join('\n');
  expect([code, run.stderr], told).toEqual([0, []]);
  const lines = (shown: RegExp) => run.stdout.filter((line) => shown.test(line)).length;
  expect({
    rang: lines(/\d\d:\d\d {2}\S.* {3}rings$/),
    later: lines(/\d\d:\d\d {2}\S.* may be told now$/),
    hysteresis: lines(/\d\d:\d\d {2}\S.* held back by hysteresis: /),
    cooldown: lines(/\d\d:\d\d {2}\S.* held back by cooldown until \d\d:\d\d$/),
    hours: lines(/\d\d:\d\d {2}\S.* held back until its active hours begin$/),
    decrypted: lines(/'s phone: ".* -?\d+ ms after /),
  }).toEqual({ rang: 7, later: 1, hysteresis: 6, cooldown: 3, hours: 1, decrypted: 9 });
  expect(told).toMatch(/Anna's phone: "🔴 DAX - Yesterday High" .* ms after the source said it/);
  expect(told).not.toContain('✗');
  await expectNothingBelow(temporary);
});

test('every folder of examples/ can be acted out', async () => {
  const entries = await readdir(join(PROJECT, 'examples'), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect([...folders, 'alerts'].sort()).toEqual(Object.keys(SCENARIOS).sort());
});

test('a step that goes wrong ends it with 1, says which, and leaves nothing behind either', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await symlink(join(PROJECT, 'node_modules'), join(directory, 'node_modules'));
    await write(
      'supabase/migrations/20990101000000_planted.sql',
      'create policy planted on public.push_subscriptions for select to authenticated using (true);',
    );
    const run = demo(directory);
    expect(await run.ended).toBe(1);
    expect(run.stdout.at(-1)).toMatch(/✗ Ben asks for Anna's subscriptions: \[\]$/);
    expect(run.stderr.join('\n')).toContain("The demo expected: Ben asks for Anna's subscriptions: []");
    await expectNothingBelow(temporary);
  });
});

test('a stack that does not start ends it with 1, says why, and leaves nothing behind', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await symlink(join(PROJECT, 'node_modules'), join(directory, 'node_modules'));
    await write('supabase/migrations/20990101000000_planted.sql', 'select from nowhere;');
    const run = demo(directory);
    expect(await run.ended).toBe(1);
    expect(run.stderr.join('\n')).toContain('20990101000000_planted.sql');
    await expectNothingBelow(temporary);
  });
});

test('Ctrl-C in the middle leaves nothing behind', async () => {
  const run = demo();
  await expect.poll(() => run.stdout.some((line) => line.startsWith('1. ')), { timeout: 30_000 }).toBe(true);
  run.child.kill('SIGINT');
  await run.ended;
  expect(run.stdout.some((line) => line.startsWith('Done'))).toBe(false);
  await expectNothingBelow(temporary);
});

test.each([
  [['--help'], 0, 'stdout'],
  [['--fast'], 2, 'stderr'],
  [['constructor'], 2, 'stderr'],
  [['crm', 'events'], 2, 'stderr'],
] as const)('%j starts nothing and ends with %i', async (args, code, stream) => {
  const run = demo(PROJECT, ...args);
  expect(await run.ended).toBe(code);
  expect(run[stream].join('\n')).toContain('Usage: npm run demo');
});

test('an example that there is not is named, with those that there are', async () => {
  const run = demo(PROJECT, 'shop');
  expect(await run.ended).toBe(2);
  expect(run.stderr[0]).toBe('There is no example "shop". There are: crm, events, bookings, stock, alerts.');
});
