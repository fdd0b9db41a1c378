const NOW = '2026-12-01T09:00:00.123456+00:00';

/** What `public.push_health()` says, with one of everything in it. */
export const FULL_REPORT = {
  healthy: true,
  version: '0.2.0',
  functions: [{ name: 'push-dispatch', version: '0.1.0', seen_at: NOW }],
  reasons: [],
  waiting: 2,
  oldest_waiting_seconds: 0.4,
  sending: 1,
  recent: { sent: 19, failed: 1 },
  success_rate: 0.95,
  errors: [{ code: null, host: 'https://push.example.com', count: 1 }],
  rule_errors: [{ rule: 'deal_stage', count: 1, last_error: 'division by zero', last_error_at: NOW }],
  hosts: [
    {
      origin: 'https://push.example.com',
      circuit: 'slowed',
      paused_at: null,
      last_success_at: NOW,
      last_error_at: null,
      last_error: null,
    },
  ],
  pauses: [
    {
      category: 'alerts',
      host: null,
      reason: 'wrong prices',
      paused_at: NOW,
      resumed_at: NOW,
      discard_before: null,
      discarded: 0,
      waiting: 3,
    },
  ],
  reminders: { overdue: 0, errors: 1 },
  receipts: { displayed: 12 },
  alarms: [],
  quote_sources: [
    {
      source: 'exchange',
      state: 'retrying',
      failures: 1,
      symbols: 3,
      refused_symbols: 0,
      missing_symbols: 1,
      next_attempt_at: null,
      last_success_at: NOW,
      last_error_at: NOW,
      last_error_code: 'no_values',
      last_error: 'None of the symbols it was asked for is in its answer.',
      last_run: { requests: 1 },
    },
  ],
  dispatchers: 1,
  last_tick_at: NOW,
};
