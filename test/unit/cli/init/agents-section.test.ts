import { expect, test } from 'vitest';
import { writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { CONFIG, released, withLookAlike } from './look-alike.ts';

const APP = { 'supabase/config.toml': CONFIG };
const kindOf = (changes: { path: string; kind: string }[]) =>
  changes.find(({ path }) => path.endsWith('AGENTS.md'))?.kind;

test('it is written on request alone', async () => {
  await withLookAlike(APP, async ({ plan }) => {
    expect(kindOf((await plan()).changes)).toBeUndefined();
    expect(kindOf((await plan({ agents: true })).changes)).toBe('create');
  });
});

test.each(['# Mine\n\nBe brief.', '# Mine\r\n\r\nBe brief.\r\n'])(
  'it comes behind what is there (%j), and a second run changes nothing',
  async (own) => {
    await withLookAlike({ ...APP, 'AGENTS.md': own }, async ({ plan, read }) => {
      writeChanges((await plan({ agents: true })).changes);
      const text = (await read())['AGENTS.md'] ?? '';
      expect(text.startsWith(own)).toBe(true);
      expect(text).toContain("push.watch('name', 'public.table'");
      expect(/[^\r]\n/.test(text)).toBe(!own.includes('\r'));
      expect(kindOf((await plan({ agents: true })).changes)).toBe('unchanged');
    });
  },
);

test('another release replaces it in its place, but not what a person changed', async () => {
  await withLookAlike(APP, async ({ plan, read, write }) => {
    const { changes } = await plan({ agents: true });
    writeChanges(changes.filter(({ path }) => path.endsWith('AGENTS.md')));
    await write('AGENTS.md', `# Mine\n\n${(await read())['AGENTS.md']}\nThe end.\n`);
    const next = { agents: true, release: released({ version: '0.2.0' }) };
    const patched = (await plan(next)).changes.find(({ path }) => path.endsWith('AGENTS.md'));
    expect(patched?.kind).toBe('patch');
    expect(patched?.after).toMatch(
      /^# Mine\n\n<!-- supapush 0\.2\.0 [\s\S]*<!-- \/supapush -->\n\nThe end\.\n$/,
    );
    await write('AGENTS.md', ((await read())['AGENTS.md'] ?? '').replace('Push notifications', 'Our pushes'));
    const { changes: kept, left } = await plan(next);
    expect(kindOf(kept)).toBe('kept');
    expect(left).toContainEqual(expect.stringContaining('AGENTS.md'));
  });
});

test.each([
  ['1.226.4', true],
  ['2.12.1', true],
  ['2.13.0', false],
  ['2.117.0', false],
  ['3.0.0', false],
])('with the Supabase CLI %s, that it is too old is said: %s', async (version, said) => {
  const manifest = {
    'apps/db/node_modules/.keep': '',
    'node_modules/supabase/package.json': JSON.stringify({ version }),
  };
  await withLookAlike({ 'apps/db/supabase/config.toml': CONFIG, ...manifest }, async ({ plan }) => {
    const { left } = await plan();
    expect(left.some((line) => line.includes(`Your Supabase CLI is ${version}`))).toBe(said);
  });
});
