export const ROLES = ['anon', 'other user', 'owner', 'service_role'] as const;
export const OPERATIONS = ['select', 'insert', 'update', 'delete'] as const;
export type Role = (typeof ROLES)[number];
export type Operation = (typeof OPERATIONS)[number];

/** Rows that the statement sees, makes or changes; or the SQLSTATE it is refused with. */
export type Answer = 1 | 0 | '42501';
export type Answers = Record<Role, Record<Operation, Answer>>;

const REFUSED = '42501';
const all = (answer: Answer) => ({ select: answer, insert: answer, update: answer, delete: answer });
const NO_ROLE: Answers = {
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
  'push.quote_history': NO_ROLE,
  'push.sessions': NO_ROLE,
  'push.settings': NO_ROLE,
  'push.digest_policies': NO_ROLE,
  'push.digests': NO_ROLE,
  'push.digest_windows': NO_ROLE,
  'push.throttle_log': NO_ROLE,
  'push.alert_counts': NO_ROLE,
  'push.daily_pushes': NO_ROLE,
  'push.cleaning': NO_ROLE,
  'push.fan_outs': NO_ROLE,
  'push.fan_out_recipients': NO_ROLE,
  'push.lists': NO_ROLE,
  'push.delivery_counts': NO_ROLE,
  'push.alarms': NO_ROLE,
  'push.functions': NO_ROLE,
  'push.hosts': NO_ROLE,
  'push.deliveries': NO_ROLE,
  'push.queue': NO_ROLE,
  'push.claim_starts': NO_ROLE,
  'push.start_resets': NO_ROLE,
  'push.delivery_log': NO_ROLE,
  ...Object.fromEntries(Array.from({ length: 8 }, (_, part) => [`push.delivery_log_${part}`, NO_ROLE])),
  'push.pauses': NO_ROLE,
  'push.project': NO_ROLE,
  'push.dispatchers': NO_ROLE,
  'push.workers': NO_ROLE,
  'push.rules': NO_ROLE,
  'push.rule_errors': NO_ROLE,
  'push.rule_status': NO_ROLE,
  'push.judged_devices': NO_ROLE,
  'push.quote_sources': NO_ROLE,
  'push.quote_source_symbols': NO_ROLE,
  'push.reminders': NO_ROLE,
  'push.reminder_moments': NO_ROLE,
  'push.reminder_errors': NO_ROLE,
  'push.receipts': NO_ROLE,
  'push.receipt_counts': NO_ROLE,
  'push.statistics': NO_ROLE,
  'push.statistic_labels': NO_ROLE,
  'push.statistics_progress': NO_ROLE,
  'push.statistics_recounts': NO_ROLE,
  'push.removed_devices': NO_ROLE,
  'push.resubscriptions': NO_ROLE,
};
