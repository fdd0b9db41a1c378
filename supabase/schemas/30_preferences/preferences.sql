-- Preferences, in which users say what they want to get, and when.
--
-- A user without a row gets everything at once. What is said for one device counts there instead of what is said for the user.

create table public.push_preferences (
  user_id uuid not null default public.push_user_id(),
  enabled boolean not null default true,
  timezone text,
  locale text,
  quiet_from time,
  quiet_until time,
  quiet_by_weekday jsonb not null default '{}',
  muted_categories text[] not null default '{}',
  receipts boolean not null default true,
  constraint push_preferences_pkey primary key (user_id),
  constraint push_preferences_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint push_preferences_timezone check (octet_length(timezone) <= 100),
  constraint push_preferences_locale check (octet_length(locale) <= 35),
  constraint push_preferences_quiet check (
    num_nonnulls(quiet_from, quiet_until) <> 1 and quiet_from <> quiet_until and quiet_from < '24:00'
  ),
  constraint push_preferences_quiet_by_weekday check (jsonb_typeof(quiet_by_weekday) = 'object')
);
comment on table public.push_preferences is
  'What a user wants to get, and when; a user without a row gets everything at once. Messages are in the inbox in any case.';
comment on column public.push_preferences.enabled is 'False: nothing is sent to this user''s devices.';
comment on column public.push_preferences.timezone is
  'Where quiet hours are told: an IANA name as Intl.DateTimeFormat().resolvedOptions().timeZone gives it, such as Europe/Vienna.';
comment on column public.push_preferences.locale is 'The language of messages, as navigator.language gives it (BCP 47), such as de-AT.';
comment on column public.push_preferences.quiet_from is 'When quiet hours begin, by the clock of the timezone.';
comment on column public.push_preferences.quiet_until is
  'When they end: on the next day, unless it is later than quiet_from. 24:00 is midnight at the end of the same day.';
comment on column public.push_preferences.quiet_by_weekday is
  'Other hours for the periods that begin on a weekday (ISO: 1 is Monday), or none: {"6": {"from": "23:00", "until": "10:00"}, "7": null}.';
comment on column public.push_preferences.muted_categories is
  'Categories of which nothing is sent, with all that is below them: alerts mutes alerts:DAX too.';

comment on column public.push_preferences.receipts is
  'False: this user''s devices do not report that a message was displayed, clicked or dismissed, and nothing of it is kept.';

create table public.push_device_preferences (
  subscription_id uuid not null,
  user_id uuid not null default public.push_user_id(),
  enabled boolean,
  timezone text,
  quiet_from time,
  quiet_until time,
  quiet_by_weekday jsonb,
  muted_categories text[],
  constraint push_device_preferences_pkey primary key (subscription_id),
  constraint push_device_preferences_subscription_id_fkey foreign key (subscription_id)
    references public.push_subscriptions (id) on delete cascade,
  constraint push_device_preferences_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint push_device_preferences_timezone check (octet_length(timezone) <= 100),
  constraint push_device_preferences_quiet check (
    num_nonnulls(quiet_from, quiet_until) <> 1 and quiet_from <> quiet_until and quiet_from < '24:00'
  ),
  constraint push_device_preferences_quiet_by_weekday check (jsonb_typeof(quiet_by_weekday) = 'object')
);
comment on table public.push_device_preferences is
  'Where one device differs from its user''s push_preferences: a column that is not null counts instead. It goes with the device, and when that changes hands.';
comment on column public.push_device_preferences.enabled is 'False: nothing is sent to this device. True: it is, though the user''s others are off.';
comment on column public.push_device_preferences.quiet_from is
  'Quiet hours count as a whole: with quiet_from or quiet_by_weekday given, nothing of the user''s remains.';
comment on column public.push_device_preferences.quiet_by_weekday is 'As in push_preferences; {} alone says that this device has no quiet hours.';
comment on column public.push_device_preferences.muted_categories is 'Instead of the user''s, so {} mutes nothing on this device.';

create index push_device_preferences_user_id_idx on public.push_device_preferences (user_id);

alter table public.push_preferences enable row level security;
create policy push_preferences_select on public.push_preferences
for select to authenticated using ((select public.push_user_id()) = user_id);
create policy push_preferences_insert on public.push_preferences
for insert to authenticated with check ((select public.push_user_id()) = user_id);
create policy push_preferences_update on public.push_preferences
for update to authenticated using ((select public.push_user_id()) = user_id) with check ((select public.push_user_id()) = user_id);
create policy push_preferences_delete on public.push_preferences
for delete to authenticated using ((select public.push_user_id()) = user_id);

revoke all on public.push_preferences from anon, authenticated, service_role;
grant select, delete on public.push_preferences to authenticated;
grant insert (user_id, enabled, timezone, locale, quiet_from, quiet_until, quiet_by_weekday, muted_categories, receipts)
  on public.push_preferences to authenticated;
grant update (user_id, enabled, timezone, locale, quiet_from, quiet_until, quiet_by_weekday, muted_categories, receipts)
  on public.push_preferences to authenticated;
grant select, insert, update, delete on public.push_preferences to service_role;

alter table public.push_device_preferences enable row level security;
create policy push_device_preferences_select on public.push_device_preferences
for select to authenticated using ((select public.push_user_id()) = user_id);
-- The device is looked up under its own policy, so another user's is not found.
create policy push_device_preferences_insert on public.push_device_preferences
for insert to authenticated with check (
  (select public.push_user_id()) = user_id
  and exists (select from public.push_subscriptions as s where s.id = subscription_id and s.user_id = (select public.push_user_id()))
);
create policy push_device_preferences_update on public.push_device_preferences
for update to authenticated using ((select public.push_user_id()) = user_id) with check (
  (select public.push_user_id()) = user_id
  and exists (select from public.push_subscriptions as s where s.id = subscription_id and s.user_id = (select public.push_user_id()))
);
comment on policy push_device_preferences_insert on public.push_device_preferences is 'their own, of a device of theirs';
comment on policy push_device_preferences_update on public.push_device_preferences is 'their own, of a device of theirs';
create policy push_device_preferences_delete on public.push_device_preferences
for delete to authenticated using ((select public.push_user_id()) = user_id);

revoke all on public.push_device_preferences from anon, authenticated, service_role;
grant select, delete on public.push_device_preferences to authenticated;
grant insert (subscription_id, user_id, enabled, timezone, quiet_from, quiet_until, quiet_by_weekday, muted_categories)
  on public.push_device_preferences to authenticated;
grant update (subscription_id, user_id, enabled, timezone, quiet_from, quiet_until, quiet_by_weekday, muted_categories)
  on public.push_device_preferences to authenticated;
grant select, insert, update, delete on public.push_device_preferences to service_role;
