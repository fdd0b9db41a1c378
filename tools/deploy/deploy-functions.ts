import { runSupabase } from '../quality/supabase-cli.ts';
import { startLoopbackProject } from './loopback-project.ts';
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
  const { api, options, environment } = await startLoopbackProject(home);
  try {
    const result = await runSupabase(['functions', 'deploy', '--use-api', ...options], {
      project,
      home,
      environment,
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
