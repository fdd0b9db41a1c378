import type { Stack } from '../local/stack.ts';
import { actBookings } from './bookings.ts';
import { actCrm } from './crm.ts';
import { actEvents } from './events.ts';
import type { Narrator } from './narrator.ts';

/** Something to act out on the terminal. */
export interface Scenario {
  title: string;
  /** Acts it out on a stack with Supapush's migrations. Throws when anything is off. */
  act(stack: Stack, narrator: Narrator): Promise<void>;
}

/** What `npm run demo -- <name>` can act out: a folder each of `examples/`. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  crm: { title: 'A CRM: contacts, deals, and updates for the whole team', act: actCrm },
  events: { title: 'Events: news of new ones, and changes for those who hold a ticket', act: actEvents },
  bookings: { title: 'Bookings: requested, confirmed, cancelled', act: actBookings },
};
