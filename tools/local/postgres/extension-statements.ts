import type { Statement } from './split-statements.ts';

const CREATE_EXTENSION =
  /^create\s+extension\s+(?:if\s+not\s+exists\s+)?(?:"(?<quoted>[^"]+)"|(?<plain>[a-z_][\w-]*))/i;

/** The extension that a statement creates, if it does. */
export function createdExtension(code: string): string | undefined {
  const { quoted, plain } = CREATE_EXTENSION.exec(code)?.groups ?? {};
  return quoted ?? plain?.toLowerCase();
}

/** A statement without the comments before it. */
export function codeOf({ text, offset, codeOffset }: Statement): string {
  return text.slice(codeOffset - offset);
}

/** The beginning of a statement on one line. */
export function shortened(code: string): string {
  const line = code.replace(/\s+/g, ' ').trim();
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}

/**
 * What is run in place of a statement; nothing for one that begins or ends a transaction. Hosted projects give an extension the
 * version and schema that they have for it, and let `postgres` make event triggers, which PostgreSQL leaves to superusers. A migration
 * is one transaction here, which a `commit` of its own must not end.
 */
export function runnable(code: string): string | undefined {
  if (TRANSACTION.test(code.trim())) return undefined;
  if (EVENT_TRIGGER.test(code)) {
    const quote = code.includes('$do$') ? '$statement$' : '$do$';
    return `select extensions.supapush_event_trigger(${quote}${code}${quote})`;
  }
  const extension = createdExtension(code);
  if (extension === undefined) return code;
  const anyVersion = code.replace(/\bversion\s+(?:'[^']*'|"[^"]*"|\S+)/i, '');
  const anySchema = FIXED_SCHEMA.has(extension)
    ? anyVersion.replace(/\bschema\s+(?:"[^"]+"|[\w$]+)/i, '')
    : anyVersion;
  return anySchema.replace(/\bwith\s*$/i, '');
}

const TRANSACTION =
  /^(?:begin|commit|end|start\s+transaction)(?:\s+(?:work|transaction|isolation|read)\b[^;]*)?$/i;
const EVENT_TRIGGER = /^(?:create|alter|drop)\s+event\s+trigger\b/i;
const FIXED_SCHEMA = new Set(['pg_cron', 'pg_net', 'supabase_vault']);
