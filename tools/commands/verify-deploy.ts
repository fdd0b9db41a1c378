import { verifyDeploy } from '../deploy/verify-deploy.ts';
import { runStepsCommand } from '../quality/run-steps-command.ts';

const USAGE = `Usage: npm run verify:deploy -- [options]

Proves without a cloud that supabase/ deploys. The Supabase CLI uploads every function to a Management API on loopback;
each is started under Deno from nothing but the uploaded files and has to answer its health probe; the CLI applies the
migrations to a new database.
`;

await runStepsCommand(USAGE, verifyDeploy);
