import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LoopbackProject, startLoopbackProject } from '../../../tools/deploy/loopback-project.ts';
import { layOut } from '../../../tools/deploy/uploaded-function.ts';
import { type Stack, startStack } from '../../../tools/local/stack.ts';

/** A new project of the platform, on loopback: it has what the Supabase CLI brings there, and nothing of a folder. */
export interface HostedProject {
  /** What the CLI talks to, besides the database. */
  readonly cloud: LoopbackProject;
  /** As it runs now. Its addresses and keys are the same before and after `serve()`. */
  stack(): Stack;
  /** Serves the functions as they were uploaded, with the secrets that were set, as the platform does when they arrive. */
  serve(): Promise<Stack>;
  stop(): Promise<void>;
}

/** New tables are granted by name, as in hosted projects. */
const STRICT = '[api]\nauto_expose_new_tables = false\n';

/** Starts it, with an empty database. `home` is an empty folder that it may use. */
export async function startHostedProject(home: string, log: (line: string) => void): Promise<HostedProject> {
  const folder = join(home, 'uploaded');
  const options = { projectDirectory: folder, stateDirectory: join(home, 'state'), log };
  await mkdir(join(folder, 'supabase'), { recursive: true });
  await writeFile(join(folder, 'supabase/config.toml'), STRICT);
  const cloud = await startLoopbackProject(join(home, 'user'));
  let stack = await startStack({ ...options, functions: false }).catch(async (error) => {
    await cloud.api.stop();
    throw error;
  });
  return {
    cloud,
    stack: () => stack,
    async serve() {
      const { uploads, secrets } = cloud.api;
      for (const upload of uploads) await layOut(upload, folder);
      const settings = uploads.map(
        ({ slug, verifyJwt, entrypoint }) =>
          `[functions.${slug}]\nverify_jwt = ${verifyJwt}\nentrypoint = ${JSON.stringify(join(folder, entrypoint))}\n`,
      );
      await writeFile(join(folder, 'supabase/config.toml'), [STRICT, ...settings].join('\n'));
      await stack.stop();
      stack = await startStack({ ...options, secrets });
      return stack;
    },
    async stop() {
      await stack.stop();
      await cloud.api.stop();
    },
  };
}
