-- Access: what no file grants, no role but the owner has. Postgres lets every role execute a new function, so this comes last.

revoke all on all functions in schema push from public;
