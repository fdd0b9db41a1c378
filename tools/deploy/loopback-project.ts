import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ManagementApi, startManagementApi } from './management-api.ts';

/** A hosted project on loopback, as the Supabase CLI meets it. */
export interface LoopbackProject {
  readonly api: ManagementApi;
  /** What leads a command of the CLI there, behind its own options. */
  readonly options: string[];
  /** The CLI is logged in by it. */
  readonly environment: { SUPABASE_ACCESS_TOKEN: string };
}

/** Starts one. `home` is an empty folder that stands in for the user's. End it by its `api`. */
export async function startLoopbackProject(home: string): Promise<LoopbackProject> {
  const projectRef = Array.from({ length: 20 }, () => String.fromCharCode(97 + randomInt(26))).join('');
  const token = `sbp_${randomBytes(20).toString('hex')}`;
  const api = await startManagementApi(projectRef, token);
  await mkdir(home, { recursive: true });
  const profile = join(home, 'profile.yaml');
  await writeFile(profile, profileFor(api.url));
  return {
    api,
    options: ['--project-ref', projectRef, '--profile', profile],
    environment: { SUPABASE_ACCESS_TOKEN: token },
  };
}

function profileFor(url: string): string {
  const entries = {
    name: 'verify-deploy',
    api_url: url,
    dashboard_url: url,
    docs_url: url,
    project_host: '127.0.0.1',
  };
  return Object.entries(entries)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');
}
