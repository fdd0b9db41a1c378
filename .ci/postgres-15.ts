import { runStepsCommand } from '../tools/quality/run-steps-command.ts';
import { verifyPostgres15 } from '../tools/quality/verify-postgres-15.ts';

const USAGE = `Usage: .ci/postgres-15 [options]

Applies the migrations to a private PostgreSQL 15 made from Debian's packages, as a role that is no superuser, and lints
every function with plpgsql_check. Then dumps a project in use with pg_dump and restores it in every way. As root it installs the packages when they are missing.
`;

await runStepsCommand(USAGE, verifyPostgres15);
