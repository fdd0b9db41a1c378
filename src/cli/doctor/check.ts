import { reasonOf } from '../run-command.ts';

/** Something that is wrong, and what to do about it. */
export interface Finding {
  /** Stays the same in later releases. */
  code: string;
  message: string;
  /** A command, or what else to do. */
  cure: string;
}

/** One look at a part of the project. */
export interface Check<Facts> {
  /** What is looked at, in a few words. */
  name: string;
  look(facts: Facts): Finding[] | Promise<Finding[]>;
  /** Mends what was found, where that harms nothing; says what was done. */
  fix?(facts: Facts): Promise<string[]>;
}

export const PARTS = ['folder', 'database', 'functions', 'app'] as const;
export type PartName = (typeof PARTS)[number];

/** What was found in one part. */
export interface PartReport {
  part: PartName;
  checks: { name: string; findings: Finding[] }[];
  /** What `--fix` has done. */
  fixed: string[];
  /** Why it was not looked at, where it was not. */
  skipped: string | null;
}

/** Looks at everything in turn. A check that fails is a finding of its own. */
export async function runChecks<Facts>(
  part: PartName,
  checks: readonly Check<Facts>[],
  facts: Facts,
  fix = false,
): Promise<PartReport> {
  const report: PartReport = { part, checks: [], fixed: [], skipped: null };
  for (const check of checks) {
    let findings = await lookAt(check, facts);
    if (fix && findings.length > 0 && check.fix !== undefined) {
      const { fix: mend } = check;
      try {
        report.fixed.push(...(await mend(facts)));
        findings = await lookAt(check, facts);
      } catch (error) {
        findings = [...findings, failed(`Mending ${check.name}`, error)];
      }
    }
    report.checks.push({ name: check.name, findings });
  }
  return report;
}

/** A part of which nothing but this could be seen. */
export function onlyFinding(part: PartName, name: string, finding: Finding): PartReport {
  return { part, checks: [{ name, findings: [finding] }], fixed: [], skipped: null };
}

/** A part that was not looked at. */
export function skippedPart(part: PartName, reason: string): PartReport {
  return { part, checks: [], fixed: [], skipped: reason };
}

async function lookAt<Facts>(check: Check<Facts>, facts: Facts): Promise<Finding[]> {
  try {
    return await check.look(facts);
  } catch (error) {
    return [failed(`Looking at ${check.name}`, error)];
  }
}

function failed(what: string, error: unknown): Finding {
  return {
    code: 'check_failed',
    message: `${what} failed: ${reasonOf(error)}`,
    cure: 'Put right what it says, and run doctor again.',
  };
}
