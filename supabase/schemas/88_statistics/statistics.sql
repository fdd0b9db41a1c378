-- Statistics: what became of deliveries and what devices said of them, by minute, hour and day.
--
-- They are counted from the log by a job, and cost a claim, a report and a new message nothing. A bucket is never added to: it is
-- counted again as a whole while it can still change, so that a late receipt, a transaction that commits late and a run that broke
-- off come out right by themselves. When the log is emptied, its buckets are frozen.
--
-- A delivery counts in the minute in which it ended, in two cubes: by push service, and by what the message is. Its receipts
-- count there too, however late they come.

alter table push.settings
  add column keep_statistics interval not null default '13 months',
  add column max_statistic_labels integer not null default 1000,
  add constraint settings_statistics check (keep_statistics >= interval '35 days' and max_statistic_labels >= 0);
comment on column push.settings.keep_statistics is
  'How long statistics by day are kept. Those by hour are kept for 35 days, and those by minute for 48 hours.';
comment on column push.settings.max_statistic_labels is
  'How many combinations of channel, push service, outcome, category, template, rule and topic are counted by name. What comes beyond is counted as `other`.';

-- Each combination has a number, so that a bucket needs a few bytes for it.
create table push.statistic_labels (
  id integer not null generated always as identity,
  cube text not null,
  channel text not null,
  service text not null,
  outcome text not null,
  code text not null,
  sent_within integer not null,
  category text not null,
  template text not null,
  rule text not null,
  topic text not null,
  constraint statistic_labels_pkey primary key (id),
  constraint statistic_labels_once unique (cube, channel, service, outcome, code, sent_within, category, template, rule, topic),
  constraint statistic_labels_cube check (cube in ('services', 'messages'))
);
comment on table push.statistic_labels is
  'What statistics are counted by: each combination of labels that occurred. An empty label: it has none. For the database owner.';
comment on column push.statistic_labels.cube is 'services: channel, service, outcome, code and sent_within. messages: category, template, rule, topic and outcome.';
comment on column push.statistic_labels.service is 'push.hosts.origin; other when it is not there any more.';
comment on column push.statistic_labels.outcome is 'The state in which the delivery ended: push.deliveries.state.';
comment on column push.statistic_labels.code is 'push.deliveries.last_code.';
comment on column push.statistic_labels.sent_within is
  'Of what was sent: less than so many seconds after it was due; 2147483647 stands for more than push.delay_bounds() has.';
comment on column push.statistic_labels.category is 'The declared category that applies: its own, or the one above it; other when there is none.';

alter table push.statistic_labels enable row level security;
create policy statistic_labels_nobody on push.statistic_labels for all to public using (false);

create type push.statistic as (
  label_id integer, deliveries integer, attempted integer, displayed integer, clicked integer, clicked_displayed integer, dismissed integer,
  acted integer
);
comment on type push.statistic is
  'How many deliveries of one combination of labels there were in a bucket: those that were attempted, and those of which devices said so.';

-- One row a bucket, with all its numbers: a third of the room of a row each, and written at once.
create table push.statistics (
  every text not null,
  bucket timestamptz not null,
  cells push.statistic[] not null,
  counted_at timestamptz not null,
  constraint statistics_pkey primary key (every, bucket),
  constraint statistics_every check (every in ('minute', 'hour', 'day'))
)
-- Rows of the hour and the day that go on are written every minute.
with (fillfactor = 50);
comment on table push.statistics is 'Counts of deliveries and receipts by minute, hour and day (UTC). For the database owner, who reads push.stats().';
comment on column push.statistics.bucket is 'When the minute, hour or day begins. A delivery counts where it ended.';

alter table push.statistics enable row level security;
create policy statistics_nobody on push.statistics for all to public using (false);

create table push.statistics_progress (
  id boolean not null default true,
  counted_until timestamptz not null default '-infinity',
  settled_until timestamptz not null default '-infinity',
  settling_until timestamptz,
  settling_xid xid8,
  minutes_from timestamptz not null default '-infinity',
  hours_from timestamptz not null default '-infinity',
  frozen_until timestamptz not null default '-infinity',
  behind_since timestamptz,
  constraint statistics_progress_pkey primary key (id),
  constraint statistics_progress_one_row check (id),
  constraint statistics_progress_settling check ((settling_until is null) = (settling_xid is null))
);
comment on table push.statistics_progress is 'How far push.roll_up() has got. For the database owner.';
comment on column push.statistics_progress.counted_until is 'All minutes before have been counted once.';
comment on column push.statistics_progress.settled_until is
  'All minutes before were counted when every transaction of their time had ended. Since then only receipts and deletions change them, and say so.';
comment on column push.statistics_progress.settling_until is 'The next settled_until, once every transaction before settling_xid has ended.';
comment on column push.statistics_progress.minutes_from is 'Hours from here on are sums of their minutes; those before were counted from the log.';
comment on column push.statistics_progress.hours_from is 'Days from here on are sums of their hours; those before stay as they are.';
comment on column push.statistics_progress.frozen_until is 'What ended until then is not all in the log any more: its buckets stay as they are.';
comment on column push.statistics_progress.behind_since is 'Since when each run has left what ended more than an hour before; null where none does.';

insert into push.statistics_progress default values;

create trigger statistics_progress_keep before delete on push.statistics_progress
for each row execute function push.keep_rows();
create trigger statistics_progress_keep_all before truncate on push.statistics_progress
for each statement execute function push.keep_rows();

alter table push.statistics_progress enable row level security;
create policy statistics_progress_nobody on push.statistics_progress for all to public using (false);

-- Rows are only added, in no one's way, and become visible together with what they speak of.
create table push.statistics_recounts (
  id bigint not null generated always as identity,
  bucket timestamptz not null,
  marked_at timestamptz not null,
  constraint statistics_recounts_pkey primary key (id)
)
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
comment on table push.statistics_recounts is
  'Minutes that were counted and have changed since: a receipt came late, or a notification was deleted. push.roll_up() counts them again.';

alter table push.statistics_recounts enable row level security;
create policy statistics_recounts_nobody on push.statistics_recounts for all to public using (false);

create function push.recount_later(p_ended timestamptz[], p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  insert into push.statistics_recounts (bucket, marked_at)
  select distinct date_trunc('minute', e.finished_at), p_now from unnest(p_ended) as e (finished_at);
$$;
comment on function push.recount_later(timestamptz[], timestamptz) is 'Has the minutes counted again in which these deliveries ended.';

create function push.statistics_cover(p_until timestamptz)
returns boolean
language sql
stable
set search_path = ''
as $$
  select p.counted_until > p_until and not exists (select from push.statistics_recounts as r where r.bucket <= p_until)
  from push.statistics_progress as p;
$$;
comment on function push.statistics_cover(timestamptz) is 'Whether all is counted that ended until then, so that the log may lose it.';

create function push.freeze_statistics(p_until timestamptz)
returns void
language sql
set search_path = ''
as $$
  update push.statistics_progress as p set frozen_until = p_until where p.id and p.frozen_until < p_until;
$$;
comment on function push.freeze_statistics(timestamptz) is 'Keeps what ended until then as it was counted: the log is losing it.';
