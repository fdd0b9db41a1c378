import {
  chmodSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Disk, writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { CONFIG, withLookAlike } from './look-alike.ts';

const APP = {
  'supabase/config.toml': CONFIG,
  'supabase/migrations/20260101000000_app.sql': 'create table deals ();\n',
  '.gitignore': 'node_modules\n',
  'package.json': '{ "devDependencies": { "vite": "8" } }',
  'public/sw.js': "'use strict';\nself.onfetch = null;\n",
};

/** The disk, with what happens before and instead of each step. */
function watched(before: (step: number, name: keyof Disk) => void): Disk {
  let step = 0;
  const counted =
    <A extends unknown[]>(name: keyof Disk, work: (...args: A) => void) =>
    (...args: A): void => {
      step += 1;
      before(step, name);
      work(...args);
    };
  return {
    makeFolder: counted('makeFolder', (path: string) => mkdirSync(path)),
    write: counted('write', (path: string, text: string, mode: number) =>
      writeFileSync(path, text, { flag: 'wx', mode }),
    ),
    rename: counted('rename', renameSync),
    remove: counted('remove', (path: string) => rmSync(path)),
    removeFolder: counted('removeFolder', (path: string) => rmdirSync(path)),
  };
}

/** How many steps it takes to write what init brings into the app. */
const steps = await withLookAlike(APP, async ({ plan }) => {
  let count = 0;
  writeChanges(
    (await plan()).changes,
    watched((step) => {
      count = step;
    }),
  );
  return count;
});

test('an uninterrupted run writes everything, and leaves nothing else behind', async () => {
  await withLookAlike(APP, async ({ plan, read }) => {
    const { changes } = await plan();
    writeChanges(changes);
    const files = await read();
    for (const { path, after } of changes)
      expect(files[path.slice(path.indexOf('supapush-init-') + 21)]).toBe(after);
    expect(Object.keys(files).filter((name) => /supapush-(new|old)$/.test(name))).toEqual([]);
    expect(steps).toBeGreaterThanOrEqual(20);
  });
});

test('interrupted at any step, it leaves the folder as it was, and says so', async () => {
  for (let failing = 1; failing <= steps; failing += 1) {
    await withLookAlike(APP, async ({ plan, read }) => {
      const before = await read();
      const disk = watched((step, name) => {
        if (step === failing) throw new Error(`no room for step ${step}: ${name}`);
      });
      const { changes } = await plan();
      expect(() => writeChanges(changes, disk), `step ${failing}`).toThrow(
        /no room for step .*\. Nothing was written\.$/,
      );
      expect(await read(), `step ${failing}`).toEqual(before);
    });
  }
});

test('a write that leaves half a file behind is cleaned up as well', async () => {
  await withLookAlike(APP, async ({ plan, read }) => {
    const before = await read();
    const { changes } = await plan();
    const disk = watched(() => undefined);
    const write: Disk['write'] = (path, text, mode) => {
      if (!path.includes('push-two')) return disk.write(path, text, mode);
      writeFileSync(path, text.slice(0, 5));
      throw new Error('the disk is full');
    };
    expect(() => writeChanges(changes, { ...disk, write })).toThrow('Nothing was written');
    expect(await read()).toEqual(before);
  });
});

test('what cannot be taken back is named', async () => {
  await withLookAlike(APP, async ({ plan }) => {
    const { changes } = await plan();
    let failed = false;
    const disk = watched((_, name) => {
      if (failed || name === 'rename') {
        failed = true;
        throw new Error(`${name} is refused`);
      }
    });
    expect(() => writeChanges(changes, disk)).toThrow(/this could not be taken back: remove is refused/);
  });
});

test('a file that a person changed after the plan was made stops it', async () => {
  await withLookAlike(APP, async ({ plan, read, write }) => {
    const { changes } = await plan();
    await write('supabase/config.toml', `${CONFIG}# one more line\n`);
    const before = await read();
    expect(() => writeChanges(changes)).toThrow(/config\.toml was changed meanwhile/);
    await write('supabase/config.toml', CONFIG);
    await write('supabase/functions/push-two/index.ts', '// mine\n');
    expect(() => writeChanges(changes)).toThrow(/push-two\/index\.ts was changed meanwhile/);
    expect(await read()).toEqual({
      ...before,
      'supabase/config.toml': CONFIG,
      'supabase/functions/push-two/index.ts': '// mine\n',
    });
  });
});

test('permissions and links of files stay', async () => {
  await withLookAlike(APP, async ({ folder, plan, write }) => {
    await write('kept/ignored', 'node_modules\n');
    rmSync(join(folder, '.gitignore'));
    symlinkSync('kept/ignored', join(folder, '.gitignore'));
    chmodSync(join(folder, 'supabase/config.toml'), 0o640);
    writeChanges((await plan()).changes);
    expect(statSync(join(folder, 'supabase/config.toml')).mode & 0o777).toBe(0o640);
    expect(statSync(join(folder, 'kept/ignored')).size).toBeGreaterThan(20);
  });
});

test('after a run that was killed at any file, the next one writes everything and leaves nothing else behind', async () => {
  await withLookAlike(APP, async ({ plan, read, write, folder }) => {
    const { changes } = await plan();
    for (const [index, { path, before, after }] of changes.entries()) {
      const name = path.slice(folder.length + 1);
      await write(`${name}.supapush-new`, index % 2 === 0 ? after : after.slice(0, 5));
      if (before !== null) await write(`${name}.supapush-old`, before);
    }
    writeChanges((await plan()).changes);
    const files = await read();
    for (const { path, after } of changes) expect(files[path.slice(folder.length + 1)]).toBe(after);
    expect(Object.keys(files).filter((name) => /supapush-(new|old)$/.test(name))).toEqual([]);
  });
});

test.each(['.gitignore.supapush-new', '.gitignore.supapush-old', 'public/supapush-sw.js.supapush-new'])(
  '%s that is not ours is left alone and named, and nothing is written',
  async (name) => {
    await withLookAlike({ ...APP, [name]: 'mine' }, async ({ folder, plan, read }) => {
      const before = await read();
      const { changes } = await plan();
      expect(() => writeChanges(changes)).toThrow(
        `${join(folder, name)} is there, and is not what this run would write there. Move it away, and run this again. Nothing was written.`,
      );
      expect(await read()).toEqual(before);
    });
  },
);
