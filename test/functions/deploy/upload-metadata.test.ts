import { expect, test } from 'vitest';
import { checkUpload } from '../../../tools/deploy/check-upload.ts';
import { layOut, type UploadedFunction } from '../../../tools/deploy/uploaded-function.ts';
import { withTemporaryFolder } from '../../../tools/quality/temporary-folder.ts';

const declared = {
  name: 'push-dispatch',
  entrypoint: '/project/supabase/functions/push-dispatch/index.ts',
  denoConfig: '/project/supabase/functions/push-dispatch/deno.json',
  verifyJwt: false,
};

const upload: UploadedFunction = {
  slug: 'push-dispatch',
  name: 'push-dispatch',
  entrypoint: 'supabase/functions/push-dispatch/index.ts',
  importMap: 'supabase/functions/push-dispatch/deno.json',
  verifyJwt: false,
  files: new Map([
    ['supabase/functions/push-dispatch/index.ts', new Uint8Array()],
    ['supabase/functions/push-dispatch/deno.json', new Uint8Array()],
  ]),
};

test('an upload as declared has no problems', () => {
  expect(checkUpload('/project', declared, upload)).toEqual([]);
});

test('a function that would demand a user token against config.toml is refused', () => {
  expect(checkUpload('/project', declared, { ...upload, verifyJwt: true })).toEqual([
    'verify_jwt is true, and should be false',
  ]);
});

test('a missing or foreign import map is refused', () => {
  const without = { ...upload, importMap: undefined };
  expect(checkUpload('/project', declared, without).join()).toContain('the import map is undefined');
  const { denoConfig: _, ...undeclared } = declared;
  expect(checkUpload('/project', undeclared, upload).join()).toContain('it has no deno.json');
});

test('an entrypoint that was not uploaded is refused', () => {
  const files = new Map([...upload.files].slice(1));
  expect(checkUpload('/project', declared, { ...upload, files })).toEqual([
    'supabase/functions/push-dispatch/index.ts was not uploaded',
  ]);
});

test.each(['../secret.ts', '/etc/passwd', 'a/../../b.ts'])(
  'a file named %s never leaves the folder',
  async (path) => {
    const outside = { ...upload, files: new Map([...upload.files, [path, new Uint8Array()]]) };
    expect(checkUpload('/project', declared, outside)).toEqual([
      `${path} was uploaded from outside the project`,
    ]);
    await withTemporaryFolder((folder) =>
      expect(layOut(outside, folder)).rejects.toThrow('outside the project'),
    );
  },
);
