import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { settle } from '../../../src/cli/confirm.ts';
import { findProject } from '../../../src/cli/init/find-project.ts';
import { RECORD } from '../../../src/cli/init/interrupted-run.ts';
import { CONFIG, withLookAlike } from './init/look-alike.ts';

afterEach(() => void vi.restoreAllMocks());

test('what an interrupted run leaves to a person is on standard error before anything else can fail', async () => {
  const path = 'supabase/migrations/1_supapush.sql';
  const run = { files: [{ path, before: 'x', after: 'y' }], folders: [] };
  const files = {
    'supabase/config.toml': CONFIG,
    [path]: 'mine',
    [`${path}.supapush-new`]: 'y',
    [RECORD]: JSON.stringify(run),
  };
  await withLookAlike(files, async ({ folder }) => {
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const { left } = settle(await findProject(join(folder, 'supabase')), false);
    expect(left).toHaveLength(1);
    const said = written.mock.calls.map(([text]) => text).join('');
    expect(said).toContain('A run before this one was interrupted.');
    expect(said).toContain(`Left to you:\n  - ${left[0]}`);
    written.mockClear();
    settle(await findProject(folder), false);
    expect(written).not.toHaveBeenCalled();
  });
});
