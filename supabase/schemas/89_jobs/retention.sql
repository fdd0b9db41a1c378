-- How long things are kept before the cleaning removes them.

alter table push.settings
  add column keep_deliveries interval not null default '30 days',
  add column keep_notifications interval not null default '90 days',
  add column keep_errors interval not null default '30 days',
  add column keep_cron_runs interval not null default '3 days',
  add column keep_unused_subscriptions interval default '270 days',
  add constraint settings_retention check (
    -- The log has a part for each of eight weeks.
    keep_deliveries between interval '1 hour' and interval '42 days' and keep_notifications >= keep_deliveries
    and keep_errors >= interval '1 hour' and keep_cron_runs >= interval '1 hour'
    and keep_unused_subscriptions >= interval '1 day'
  );
comment on column push.settings.keep_deliveries is 'How long the log keeps a delivery after its end at least, the moment of a reminder, and a receipt. A week of deliveries goes at once, '
  'when the last of them has been kept so long. At most 42 days.';
comment on column push.settings.keep_notifications is
  'How long the inbox keeps a notification, read or not, after it was written and stopped mattering. Not shorter than its deliveries.';
comment on column push.settings.keep_errors is
  'How long errors of rules and reminders and resolved alarms are kept. Of each rule and reminder the newest 10,000 alone.';
comment on column push.settings.keep_cron_runs is 'How long the runs of Supapush''s own jobs stay in cron.job_run_details, which pg_cron never empties.';
comment on column push.settings.keep_unused_subscriptions is
  'A device that was last used (or registered, or changed) longer ago is removed, unless something waits for it. '
  'FCM takes its own for stale after 270 days. Null: never.';
