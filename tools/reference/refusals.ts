import type { SchemaFile } from '../quality/schema/schema-files.ts';
import { capability } from './markdown.ts';
import { argumentsOf, textOf } from './sql-text.ts';

/** What the schema says when it refuses something, or is not well. */
export interface Refusal {
  code: string;
  /** The HTTP status; null for alarms. */
  status: number | null;
  /** `…` stands for what is only known then. */
  message: string;
  hint: string;
  capability: string;
}

const SQLSTATES: Record<string, number> = { check_violation: 400 };

/**
 * Every error that the schema raises with a code of its own: by `push.refuse()`, or by `raise exception` with a detail. Throws
 * an error that names the file of a code that is no literal: it could not be listed.
 */
export function readRefusals(files: SchemaFile[]): Refusal[] {
  return files.flatMap(({ path, text }) => [
    ...calls(text, /\bperform push\.refuse\(/g).flatMap(({ given, before }) => {
      const [status = '', code = '', message = '', hint = ''] = given;
      if (isRaisedAgain(code, before)) return [];
      return [
        {
          ...told(path, code, message),
          status: Number(status),
          hint: textOf(hint),
          capability: capability(path),
        },
      ];
    }),
    ...calls(text, /\braise exception using\s/g).flatMap(({ given }) => {
      const { errcode = '', detail, message = '', hint = '' } = Object.fromEntries(given.map(assignment));
      // The body of push.refuse() itself, and what the statements of ours catch.
      if (detail === undefined || detail === 'p_code') return [];
      const state = textOf(errcode);
      const status = SQLSTATES[state] ?? Number(state.replace(/^PT/, ''));
      return [{ ...told(path, detail, message), status, hint: textOf(hint), capability: capability(path) }];
    }),
  ]);
}

/** Every code of alarms, of the reasons of `push-health`, and of sources of quotes that fail. */
export function readAlarms(files: SchemaFile[]): Refusal[] {
  const alarm = (path: string, code: string, message: string): Refusal => ({
    ...told(path, code, message),
    status: null,
    hint: '',
    capability: capability(path),
  });
  return files.flatMap(({ path, text }) => [
    ...calls(text, /\b(?:perform|select) push\.raise_alarm\(/g).flatMap(({ given }) => {
      const [code = '', , message = ''] = given;
      // What push.read_bell() found: below.
      return code.endsWith('.fault') ? [] : [alarm(path, code, message)];
    }),
    ...calls(
      text,
      /\bjsonb_build_object\((?='code', '\w+', 'message')|\bjsonb_build_object\((?='code', '\w+',\s+'message')/g,
    ).map(({ given }) => alarm(path, given[1] ?? '', given[3] ?? '')),
    ...[...text.matchAll(/\bfault := ('\w+');\s+message := ([^;]*)/g)].map(([, code = '', message = '']) =>
      alarm(path, code, message),
    ),
  ]);
}

function told(path: string, code: string, message: string): { code: string; message: string } {
  const [, literal] = /^'([a-z0-9_]+)'$/.exec(code) ?? [];
  if (literal !== undefined) return { code: literal, message: textOf(message) };
  throw new Error(
    `schemas/${path} has an error whose code is not written out (${code}): docs/reference/errors.md cannot list it.`,
  );
}

/** Whether an error is only raised anew that was caught just before: its code is listed where it comes from. */
function isRaisedAgain(code: string, before: string): boolean {
  return new RegExp(`\\bget stacked diagnostics [^;]*\\b${code} = pg_exception_detail\\b[^;]*;\\s*$`).test(
    before,
  );
}

/** The arguments of each call that begins as `opening` does, and what stands before it. */
function calls(text: string, opening: RegExp): { given: string[]; before: string }[] {
  return [...text.matchAll(opening)].map(({ index, 0: head }) => ({
    given: argumentsOf(text.slice(index + head.length)),
    before: text.slice(Math.max(0, index - 400), index),
  }));
}

/** `hint = 'Sign in.'` → its name and its expression. */
function assignment(text: string): [name: string, expression: string] {
  const at = text.indexOf('=');
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}
