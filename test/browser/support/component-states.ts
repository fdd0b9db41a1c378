import type { Device, InboxItem } from '../../../src/device/client/index.ts';
import { exampleAlert } from '../pages/example-alert.ts';
import type { RecordedState } from '../pages/recorded-client.ts';

const HOUR = 60 * 60 * 1000;
const ago = (hours: number): string => new Date(Date.now() - hours * HOUR).toISOString();

const laptop = (): Device => ({
  id: 'laptop',
  name: 'Firefox (Linux)',
  channel: 'webpush',
  deviceType: 'desktop',
  userAgent: null,
  createdAt: ago(100),
  lastUsedAt: ago(0.1),
  current: true,
});

const phone = (): Device => ({
  ...laptop(),
  id: 'phone',
  name: null,
  deviceType: 'mobile',
  lastUsedAt: null,
  current: false,
});

/** A message of the inbox, so many hours old. */
export function message(id: number, changes: Partial<InboxItem> = {}): InboxItem {
  return {
    id: `message-${id}`,
    title: `Message ${id}`,
    body: `What message ${id} says.`,
    url: `/messages/${id}`,
    params: {},
    presentation: {},
    category: null,
    tag: null,
    audienceTopic: null,
    sendAt: ago(id),
    readAt: null,
    ...changes,
  };
}

/** A user with two devices, quiet hours, mutes, topics, messages and alerts in every state, as they are now. */
export const fullState = (): RecordedState => ({
  status: 'subscribed',
  devices: [laptop(), phone()],
  preferences: {
    quietFrom: '22:00:00',
    quietUntil: '07:00:00',
    timezone: 'Europe/Berlin',
    mutedCategories: ['alerts:BTC', 'old-thing'],
  },
  categories: [
    { key: 'crm', title: 'Deals and contacts', description: 'What happens to yours.', critical: false },
    { key: 'alerts', title: 'Alerts', description: null, critical: false },
  ],
  topics: [
    { key: 'news', title: 'Product news', description: 'About once a month.', joined: true },
    { key: 'status', title: 'Outages', description: null, joined: false },
  ],
  inbox: [
    message(0, { title: 'Acme is won', body: 'It was offered until now.', url: '/deals/1' }),
    message(2, { title: 'No link', url: null }),
    message(5, { title: 'Bad link', url: 'javascript:alert(1)', readAt: ago(4) }),
    ...[6, 7, 8, 9, 10, 11, 12].map((id) => message(id, { readAt: ago(1) })),
  ],
  alerts: [
    { ...exampleAlert, id: 'armed', setup: 'All-time high', recurring: true },
    {
      ...exampleAlert,
      id: 'fired',
      symbol: 'BTC',
      condition: 'percent_change',
      threshold: 2.5,
      windowMinutes: 60,
      direction: 'either',
      recurring: true,
      armed: false,
      lastSide: 'above',
      lastFiredAt: ago(3),
      timesFired: 4,
      heldBack: 2,
    },
    {
      ...exampleAlert,
      id: 'level',
      condition: 'level',
      threshold: null,
      level: 'yesterday_high',
      levelCondition: 'crosses',
      levelPrice: null,
      armed: false,
      lastSide: null,
    },
    {
      ...exampleAlert,
      id: 'done',
      condition: 'below',
      threshold: 15_500.25,
      enabled: false,
      armed: false,
      lastFiredAt: ago(30),
      timesFired: 1,
      disabledReason: 'fired',
    },
  ],
  quotes: { DAX: 17_912.5 },
});
