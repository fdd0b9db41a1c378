import { isDeepStrictEqual } from 'node:util';
import { parse } from 'smol-toml';
import type { ReleasedFunction } from '../init/release.ts';

/**
 * The text of `config.toml` without the sections of these functions that are as init wrote them, with the comment above each and the
 * empty line before it; all else stays as it is, to the byte.
 *
 * `left` are the names of those that say more, or stand there in another way: they are a person's to remove.
 */
export function withoutFunctions(
  text: string,
  functions: readonly ReleasedFunction[],
): { text: string; left: string[] } {
  const gone: string[] = [];
  let rest = text;
  for (const { name, section } of functions) {
    const without = withoutSection(rest, name, section);
    if (without === undefined || !isWithout(rest, without, name)) continue;
    rest = without;
    gone.push(name);
  }
  const there = functionsOf(text);
  return {
    text: rest,
    left: functions.map(({ name }) => name).filter((name) => name in there && !gone.includes(name)),
  };
}

/** Undefined where it is not there as init writes it. */
function withoutSection(text: string, name: string, section: string): string | undefined {
  const lines = text.split(/(?<=\n)/);
  const plain = lines.map((line) => line.trim());
  const head = plain.indexOf(`[functions.${name}]`);
  if (head < 0) return undefined;
  const next = plain.findIndex((line, index) => index > head && line.startsWith('['));
  const end = next < 0 ? lines.length : next;
  const values = plain.slice(head + 1, end).filter((line) => line !== '' && !line.startsWith('#'));
  if (values.length !== 1 || !/^verify_jwt\s*=\s*false$/.test(values[0] ?? '')) return undefined;
  const last = plain.findIndex((line, index) => index > head && line.startsWith('verify_jwt'));
  const comment = section.split('\n').filter((line) => line.startsWith('#'));
  let first = head;
  if (isDeepStrictEqual(plain.slice(head - comment.length, head), comment)) first -= comment.length;
  // The empty line that init put before it.
  if (plain[first - 1] === '') first -= 1;
  return [...lines.slice(0, first), ...lines.slice(last + 1)].join('');
}

/** Whether only this function's section is missing from what the text says. */
function isWithout(text: string, without: string, name: string): boolean {
  const { [name]: _, ...functions } = functionsOf(text);
  try {
    return isDeepStrictEqual(
      normal({ ...parse(text), functions }),
      normal({ ...parse(without), functions: functionsOf(without) }),
    );
  } catch {
    return false;
  }
}

function functionsOf(text: string): Record<string, unknown> {
  const { functions } = parse(text);
  return typeof functions === 'object' && functions !== null ? (functions as Record<string, unknown>) : {};
}

/** Parsed tables have no prototype, others do. */
function normal(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
