import { join } from 'node:path';
import { type EdgeFunction, findEdgeFunctions } from '../local/functions/edge-function.ts';
import { readLocalConfig } from '../local/local-config.ts';
import { migrateAgain, migrateWithCli } from '../quality/migrate-with-cli.ts';
import { copyProject } from '../quality/project-copy.ts';
import { runStep, SILENT, type StepListener, type StepResult } from '../quality/steps.ts';
import { withTemporaryFolder } from '../quality/temporary-folder.ts';
import { withThrowawayDatabase } from '../quality/throwaway-database.ts';
import { checkUpload } from './check-upload.ts';
import { deployFunctions } from './deploy-functions.ts';
import { findMissingModules } from './missing-modules.ts';
import { probeFunction } from './probe-function.ts';
import { layOut, type UploadedFunction } from './uploaded-function.ts';

/**
 * Proves that the `supabase/` folder of a project deploys, without a cloud: the Supabase CLI uploads every function to
 * a Management API on loopback, and each is started from nothing but its uploaded files; the CLI applies the
 * migrations to a new database. The project itself is only read.
 */
export async function verifyDeploy(project: string, listener: StepListener = SILENT): Promise<StepResult[]> {
  return [...(await verifyFunctions(project, listener)), ...(await verifyMigrations(project, listener))];
}

/** The part of `verifyDeploy` that is about Edge Functions. */
export function verifyFunctions(project: string, listener: StepListener = SILENT): Promise<StepResult[]> {
  return withTemporaryFolder(async (folder) => {
    const copy = join(folder, 'project');
    await copyProject(project, copy);
    let uploads: UploadedFunction[] = [];
    let declared: EdgeFunction[] = [];
    const deployed = await runStep(
      'supabase functions deploy --use-api',
      async () => {
        declared = await findEdgeFunctions(await readLocalConfig(copy));
        const deployment = await deployFunctions(copy, join(folder, 'home'), listener.says);
        uploads = deployment.uploads;
        return [...deployment.problems, ...compareNames(declared, uploads)];
      },
      listener,
    );
    const results = [deployed];
    for (const upload of uploads) {
      const wanted = declared.find(({ name }) => name === upload.slug);
      const laidOut = join(folder, 'uploaded', upload.slug);
      results.push(
        await runStep(
          `${upload.slug}: ${upload.files.size} uploaded files are complete`,
          async () => {
            const problems = wanted ? checkUpload(copy, wanted, upload) : [];
            await layOut(upload, laidOut);
            return [...problems, ...(await findMissingModules(upload, laidOut))];
          },
          listener,
        ),
        await runStep(
          `${upload.slug}: starts from them and answers its health probe`,
          () => probeFunction(upload, laidOut),
          listener,
        ),
      );
    }
    return results;
  });
}

/** The part of `verifyDeploy` that is about the database. */
export function verifyMigrations(project: string, listener: StepListener = SILENT): Promise<StepResult[]> {
  return withTemporaryFolder(async (folder) => {
    const copy = join(folder, 'project');
    await copyProject(join(project, 'supabase'), join(copy, 'supabase'));
    return await withThrowawayDatabase(async (server) => {
      const cli = { project: copy, home: join(folder, 'home'), onLine: listener.says };
      const first = await runStep(
        'supabase migration up onto a new database',
        () => migrateWithCli(server, cli),
        listener,
      );
      if (!first.ok) return [first];
      const again = await runStep(
        'supabase migration up once more: nothing to do',
        () => migrateAgain(server, cli),
        listener,
      );
      return [first, again];
    });
  });
}

function compareNames(declared: EdgeFunction[], uploads: UploadedFunction[]): string[] {
  if (declared.length === 0) return ['the project has no Edge Functions'];
  const names = declared.map(({ name }) => name);
  const slugs = uploads.map(({ slug }) => slug);
  return [
    ...names.filter((name) => !slugs.includes(name)).map((name) => `${name} was not deployed`),
    ...slugs.filter((slug) => !names.includes(slug)).map((slug) => `${slug} was deployed unexpectedly`),
  ];
}
