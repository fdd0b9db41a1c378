import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runSupabase } from '../quality/supabase-cli.ts';
import { startManagementApi } from './management-api.ts';
import type { UploadedFunction } from './uploaded-function.ts';

export interface Deployment {
  uploads: UploadedFunction[];
  problems: string[];
}

/**
 * Runs `supabase functions deploy --use-api` for all functions of a project against a Management API on loopback.
 * `home` is an empty folder that stands in for the user's.
 */
export async function deployFunctions(
  project: string,
  home: string,
  says: (line: string) => void,
): Promise<Deployment> {
  const projectRef = Array.from({ length: 20 }, () => String.fromCharCode(97 + randomInt(26))).join('');
  const token = `sbp_${randomBytes(20).toString('hex')}`;
  const api = await startManagementApi(projectRef, token);
  try {
    await mkdir(home, { recursive: true });
    const profile = join(home, 'profile.yaml');
    await writeFile(profile, profileFor(api.url));
    const args = ['functions', 'deploy', '--use-api', '--project-ref', projectRef, '--profile', profile];
    const result = await runSupabase(args, {
      project,
      home,
      environment: { SUPABASE_ACCESS_TOKEN: token },
      onLine: says,
    });
    // The CLI warns where it leaves something out, and succeeds all the same.
    const warnings = result.output.split('\n').filter((line) => /\bWARN/.test(line));
    const failure =
      result.exitCode === 0 ? [] : [`supabase functions deploy failed:\n${result.output.trim()}`];
    return { uploads: api.uploads, problems: [...failure, ...warnings, ...api.problems] };
  } finally {
    await api.stop();
  }
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
