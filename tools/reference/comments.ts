/** What the comment of a function, table or view says to its readers. */
export interface Comment {
  /** Without the note of who it is for, and without its parameters. */
  text: string;
  /** Whether it is meant for the database owner: migrations, triggers and the SQL editor. All else of schema push is internal. */
  forOwner: boolean;
  /** Of its lines `p_name: …`. */
  parameters: Map<string, string>;
}

/** How a comment ends that says so. */
export const FOR_OWNER = 'For the database owner.';
const AUDIENCE = /\s*(?:For the database owner|Service role only)\.$/;
const PARAMETER = /^(p_\w+): (.+)$/;

export function readComment(comment: string): Comment {
  const lines = comment.split('\n').map((line) => line.trim());
  const text = lines
    .filter((line) => !PARAMETER.test(line))
    .join(' ')
    .trim();
  const parameters = lines.flatMap((line) => {
    const [, name, says] = PARAMETER.exec(line) ?? [];
    return name !== undefined && says !== undefined ? [[name, says] as const] : [];
  });
  return {
    text: text.replace(AUDIENCE, ''),
    forOwner: text.endsWith(FOR_OWNER),
    parameters: new Map(parameters),
  };
}

/** The first sentence, or its first part: what a list of many has room for. */
export function firstSentence(text: string): string {
  return /^(?:\([^)]*\)|[^(])*?[.;](?= |$)/.exec(text)?.[0].replace(/;$/, '.') ?? text;
}
