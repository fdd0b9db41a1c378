import type postgres from 'postgres';
import type { VirtualDevice } from '../../src/testing/push-service/virtual-device.ts';
import type { Stack } from '../local/stack.ts';
import { type DemoUser, register, signUp, untilAllReported } from './demo-user.ts';
import type { Narrator } from './narrator.ts';

/** A user in a demo, with one phone. */
export interface Person<Tables> extends DemoUser<Tables> {
  phone: VirtualDevice;
}

/** What the phone of each user named here must show; the phones of all others must stay silent. */
type Expected = Record<string, { title: string; body?: string | RegExp }>;

/** The people of a demo, by name in lower case, and what their phones show. */
export interface Cast<Names extends string, Tables> {
  people: Record<Lowercase<Names>, Person<Tables>>;
  /** Waits until everything is sent, tells what each phone decrypted, and checks that it is what was expected. */
  expectOnPhones(expected: Expected): Promise<void>;
}

/** Signs people up and registers a phone for each. */
export async function gather<Names extends string, Tables>(
  stack: Stack,
  sql: postgres.Sql,
  { say, check }: Narrator,
  names: readonly Names[],
): Promise<Cast<Names, Tables>> {
  const everybody: Person<Tables>[] = [];
  for (const name of names) {
    const user = await signUp<Tables>(stack, name);
    everybody.push({ ...user, phone: await register(stack, user, 'mobile') });
  }
  say(`${listNames(names)} signed up, each with a phone`);
  const counts = new Map<string, number>();
  const heard = (name: string): number => counts.get(name) ?? 0;
  return {
    people: Object.fromEntries(everybody.map((person) => [person.name.toLowerCase(), person])) as Cast<
      Names,
      Tables
    >['people'],
    async expectOnPhones(expected) {
      await untilAllReported(sql);
      for (const { name, phone } of everybody) {
        const wanted = expected[name];
        if (!wanted) continue;
        // Accepted by the push service: it reaches the phone within a moment.
        const messages = await phone.waitForMessages(heard(name) + 1);
        const shown = messages.slice(heard(name)).map(({ json }) => readNotification(json));
        for (const { title, body, navigate } of shown)
          say(`${name}'s phone: "${title}"${body ? ` / "${body}"` : ''} → ${navigate}`);
        const [message] = shown;
        check(
          phone.messages.length === messages.length &&
            message?.title === wanted.title &&
            holds(message.body, wanted.body),
          `${name}'s phone shows that once`,
        );
        counts.set(name, messages.length);
      }
      const others = everybody.filter(({ name }) => !(name in expected));
      if (others.length === 0) return;
      check(
        others.every(({ name, phone }) => phone.messages.length === heard(name)),
        `nothing on the phones of ${listNames(others.map(({ name }) => name))}`,
      );
    },
  };
}

function readNotification(json: unknown): { title: string; body?: string; navigate: string } {
  return (json as { notification: { title: string; body?: string; navigate: string } }).notification;
}

function holds(body: string | undefined, wanted: string | RegExp | undefined): boolean {
  if (wanted === undefined) return true;
  return typeof wanted === 'string' ? body === wanted : wanted.test(body ?? '');
}

/** `Anna, Ben and Carla` */
function listNames(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
