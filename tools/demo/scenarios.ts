import type { Stack, StackOptions } from '../local/stack.ts';
import { actAlerts } from './alerts.ts';
import { actBookings } from './bookings.ts';
import { actCrm } from './crm.ts';
import { actEvents } from './events.ts';
import type { Narrator } from './narrator.ts';
import { actStock } from './stock.ts';

/** Something to act out on the terminal. */
export interface Scenario {
  title: string;
  /** What its stack has beside the usual. */
  needs?: Pick<StackOptions, 'quoteServer'>;
  /** Acts it out on a stack with Supapush's migrations. Throws when anything is off. */
  act(stack: Stack, narrator: Narrator): Promise<void>;
}

/** What `npm run demo -- <name>` can act out: every folder of `examples/`, and alerts. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  crm: { title: 'A CRM: contacts, deals, and updates for the whole team', act: actCrm },
  events: { title: 'Events: news of new ones, and changes for those who hold a ticket', act: actEvents },
  bookings: { title: 'Bookings: requested, confirmed, cancelled', act: actBookings },
  stock: { title: 'Stock: who is told that a product runs low', act: actStock },
  alerts: {
    title: 'Alerts: a day of trading in fast time, and who is told of what',
    needs: { quoteServer: true },
    act: actAlerts,
  },
};
