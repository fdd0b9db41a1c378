import { storableText } from '../../server/channels/storable-text.ts';
import { quoted } from '../init/next-steps.ts';
import { styled } from '../terminal.ts';
import type { Finding, PartReport } from './check.ts';

/** What doctor has seen. */
export interface Report {
  version: string;
  /** Absolute. */
  project: string;
  parts: PartReport[];
  /** Codes that the caller knows of: they do not count. */
  ignored: string[];
}

/** What is wrong, and counts. */
export function findingsIn({ parts, ignored }: Report): Finding[] {
  return parts
    .flatMap(({ checks }) => checks.flatMap(({ findings }) => findings))
    .filter(({ code }) => !ignored.includes(code));
}

/** Commands that read the file of the secrets, as cures call them in an app and in a clone. */
const READS_FILE =
  /\b(npx supapush|npm run) (secrets|connect|vapid|doctor|status|send|inspect)\b( --(?= ))?/g;

/** The report with the file of the secrets that doctor was given in each cure whose command would read another one. */
export function withFile(report: Report, file: string | undefined): Report {
  if (file === undefined) return report;
  const option = `--file ${quoted(file)}`;
  const named = (cure: string) =>
    cure.replaceAll(READS_FILE, (call) =>
      call.startsWith('npx') || call.endsWith(' --') ? `${call} ${option}` : `${call} -- ${option}`,
    );
  const inParts = report.parts.map((part) => ({
    ...part,
    checks: part.checks.map((check) => ({
      ...check,
      findings: check.findings.map((finding) => ({ ...finding, cure: named(finding.cure) })),
    })),
  }));
  return { ...report, parts: inParts };
}

/** The report for programs. */
export function asJson(report: Report): unknown {
  const { version, project, parts, ignored } = report;
  const findings = findingsIn(report);
  return {
    version,
    project,
    ok: findings.length === 0,
    findings: parts.flatMap(({ part, checks }) =>
      checks.flatMap((check) =>
        check.findings
          .filter((finding) => findings.includes(finding))
          .map((finding) => ({ part, check: check.name, ...finding })),
      ),
    ),
    ignored,
    fixed: parts.flatMap(({ fixed }) => fixed),
    parts: parts.map(({ part, checks, skipped }) => ({
      part,
      checks: checks.map(({ name, findings: { length } }) => ({ name, findings: length })),
      skipped,
    })),
  };
}

/** The report for people. */
export function asText(report: Report): string {
  const { version, project, parts, ignored } = report;
  const lines = [styled('bold', `Supapush ${version} in ${project}`), ''];
  for (const { part, checks, fixed, skipped } of parts) {
    const found = checks.flatMap(({ findings }) => findings);
    const counted = found.filter(({ code }) => !ignored.includes(code));
    lines.push(`${part.padEnd(11)}${summary(checks.length, counted.length, skipped)}`);
    for (const done of fixed) lines.push(`  ${styled('green', 'fixed')}  ${done}`);
    for (const { code, message, cure } of counted) {
      lines.push('', `  ${styled('red', code)}`, `    ${message}`, `    ${styled('bold', '→')} ${cure}`);
    }
    if (counted.length > 0) lines.push('');
    const known = found.filter(({ code }) => ignored.includes(code)).map(({ code }) => code);
    if (known.length > 0) lines.push(`  ignored: ${[...new Set(known)].join(', ')}`);
  }
  const count = findingsIn(report).length;
  if (lines.at(-1) !== '') lines.push('');
  lines.push(
    count === 0
      ? styled('green', 'Nothing wrong was found.')
      : `${count} ${count === 1 ? 'finding' : 'findings'}.`,
  );
  return lines.join('\n');
}

function summary(checks: number, findings: number, skipped: string | null): string {
  if (skipped !== null) return styled('dim', `not looked at: ${skipped}`);
  const seen = `${checks} ${checks === 1 ? 'check' : 'checks'}`;
  if (findings === 0) return `${styled('green', 'ok')}, ${seen}`;
  return `${styled('red', `${findings} ${findings === 1 ? 'finding' : 'findings'}`)}, ${seen}`;
}

/** The report without these secrets, in case that something which is quoted has one in it. */
export function withoutSecrets(report: Report, secrets: readonly string[]): Report {
  const clean = (text: string) =>
    secrets
      .filter((secret) => secret.length >= 6)
      .reduce((left, secret) => left.replaceAll(secret, '…'), storableText(text, secrets));
  return {
    ...report,
    parts: report.parts.map((part) => ({
      ...part,
      checks: part.checks.map((check) => ({
        ...check,
        findings: check.findings.map(({ code, message, cure }) => ({
          code,
          message: clean(message),
          cure: clean(cure),
        })),
      })),
    })),
  };
}
