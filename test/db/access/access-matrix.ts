export const ROLES = ['anon', 'other user', 'owner', 'service_role'] as const;
export const OPERATIONS = ['select', 'insert', 'update', 'delete'] as const;
export type Role = (typeof ROLES)[number];
export type Operation = (typeof OPERATIONS)[number];

/** Rows that the statement sees, makes or changes; or the SQLSTATE it is refused with. */
export type Answer = 1 | 0 | '42501';
export type Answers = Record<Role, Record<Operation, Answer>>;

const REFUSED = '42501';
const all = (answer: Answer) => ({ select: answer, insert: answer, update: answer, delete: answer });
const NOBODY: Answers = {
  anon: all(REFUSED),
  'other user': all(REFUSED),
  owner: all(REFUSED),
  service_role: all(REFUSED),
};
const OWNERS: Answers = {
  anon: all(REFUSED),
  'other user': { select: 0, insert: REFUSED, update: 0, delete: 0 },
  owner: all(1),
  service_role: all(1),
};

/** What each role gets of each table. A new table fails until it stands here. */
export const MATRIX: Record<string, Answers> = {
  'public.push_subscriptions': OWNERS,
  'public.push_notifications': {
    anon: all(REFUSED),
    'other user': { select: 0, insert: REFUSED, update: 0, delete: REFUSED },
    owner: { select: 1, insert: REFUSED, update: 1, delete: REFUSED },
    service_role: all(1),
  },
  'public.push_topics': {
    anon: all(REFUSED),
    // Every signed-in user may see and join each of them.
    'other user': { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    owner: { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    service_role: all(1),
  },
  'public.push_categories': {
    anon: all(REFUSED),
    'other user': { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    owner: { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    service_role: all(1),
  },
  'public.push_topic_members': {
    anon: all(REFUSED),
    'other user': { select: 0, insert: REFUSED, update: REFUSED, delete: 0 },
    owner: { select: 1, insert: 1, update: REFUSED, delete: 1 },
    service_role: { select: 1, insert: 1, update: REFUSED, delete: 1 },
  },
  'public.push_reads': {
    anon: all(REFUSED),
    'other user': { select: 0, insert: REFUSED, update: 0, delete: 0 },
    owner: all(1),
    service_role: all(1),
  },
  'public.push_preferences': OWNERS,
  'public.push_device_preferences': OWNERS,
  'public.push_templates': {
    anon: all(REFUSED),
    'other user': all(REFUSED),
    owner: all(REFUSED),
    service_role: all(1),
  },
  'public.push_alerts': OWNERS,
  // Prices are everybody's who signs in; only the service says them.
  'public.push_quotes': {
    anon: all(REFUSED),
    'other user': { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    owner: { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    service_role: all(1),
  },
  'public.push_levels': {
    anon: all(REFUSED),
    'other user': { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    owner: { select: 1, insert: REFUSED, update: REFUSED, delete: REFUSED },
    service_role: all(1),
  },
  'push.quote_history': NOBODY,
  'push.sessions': NOBODY,
  'push.settings': NOBODY,
  'push.digest_policies': NOBODY,
  'push.digests': NOBODY,
  'push.digest_windows': NOBODY,
  'push.throttle_log': NOBODY,
  'push.alert_counts': NOBODY,
  'push.daily_pushes': NOBODY,
  'push.cleaning': NOBODY,
  'push.expansions': NOBODY,
  'push.delivery_counts': NOBODY,
  'push.alarms': NOBODY,
  'push.hosts': NOBODY,
  'push.deliveries': NOBODY,
  'push.pauses': NOBODY,
  'push.project': NOBODY,
  'push.dispatchers': NOBODY,
  'push.rules': NOBODY,
  'push.rule_errors': NOBODY,
  'push.rule_status': NOBODY,
  'push.quote_sources': NOBODY,
  'push.quote_source_symbols': NOBODY,
  'push.reminders': NOBODY,
  'push.reminder_moments': NOBODY,
  'push.reminder_errors': NOBODY,
  'push.receipts': NOBODY,
  'push.receipt_counts': NOBODY,
  'push.removed_devices': NOBODY,
  'push.resubscriptions': NOBODY,
};
