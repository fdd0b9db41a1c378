-- Values that are often given as the address of a device by mistake. A push service would refuse them only long after the
-- app was told that it is registered, so the developer is told at once what the value is and where to get the right one.

create function push.mistaken_address(p_column text, p_value text)
returns table (what text, hint text)
language sql
immutable
set search_path = ''
as $$
  select m.what, m.hint
  from (values
    (1, 'fcm_token', '^\s|\s$', 'has white space around it', 'Trim it: insert the registration token unchanged.'),
    (2, 'fcm_token', '^Expo(nent)?PushToken\[', 'is an Expo push token',
      'Messages are sent through FCM: insert what getToken() of Firebase Messaging returns, or on Android '
      'getDevicePushTokenAsync() of expo-notifications.'),
    (3, 'fcm_token', '^<?[0-9A-Fa-f ]{64,}>?$', 'is an APNs device token',
      'Add Firebase Messaging to the app and insert its token: getToken(), Messaging.messaging().token.'),
    (4, 'fcm_token', '^https?://', 'is a URL, as browsers use',
      'Register a browser with endpoint, p256dh and auth, and leave out channel and fcm_token.'),
    (5, 'fcm_token', '^AAAA[A-Za-z0-9_-]{7}:APA91b', 'is a server key of Firebase',
      'It is a secret: take it out of the app and revoke it. Insert what getToken() of Firebase Messaging returns.'),
    (6, 'fcm_token', '^AIza[A-Za-z0-9_-]{35}$', 'is an API key of Google',
      'Insert what getToken() of Firebase Messaging returns.'),
    (7, 'fcm_token', '^[c-f][A-Za-z0-9_-]{21}$', 'is a Firebase installation id',
      'Insert what getToken() of Firebase Messaging returns, not getId() of Firebase Installations.'),
    (8, 'fcm_token', '^eyJ[A-Za-z0-9_-]+\.', 'is a JSON Web Token',
      'Insert what getToken() of Firebase Messaging returns, not that of Firebase Installations or a session''s.'),
    (9, 'fcm_token', '^[{["]', 'is JSON', 'Insert the registration token alone.'),
    (10, 'fcm_token', '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$', 'is a UUID',
      'Insert what getToken() of Firebase Messaging returns.'),
    (11, 'fcm_token', '^B[A-Za-z0-9_-]{86}$', 'is a key of Web Push',
      'Insert what getToken() of Firebase Messaging returns, not the vapidKey that a browser gives it.'),
    (1, 'endpoint', '^\s|\s$', 'has white space around it', 'Trim it: insert subscription.endpoint unchanged.'),
    (2, 'endpoint', '^Expo(nent)?PushToken\[', 'is an Expo push token',
      'An app registers with channel "fcm" and the fcm_token that Firebase Messaging returns.'),
    (3, 'endpoint', '^[A-Za-z0-9_-]+:APA91b', 'is an FCM token', 'Insert it as fcm_token, with channel "fcm".'),
    (4, 'endpoint', '^<?[0-9A-Fa-f ]{64,}>?$', 'is an APNs device token',
      'An app registers with channel "fcm" and the fcm_token that Firebase Messaging returns.'),
    (5, 'endpoint', '^[{["]', 'is JSON', 'Insert subscription.endpoint alone, and the keys beside it.'),
    (6, 'endpoint', '^https://[a-z]+\.googleapis\.com/(fcm|gcm)/send/?$', 'is the address of FCM''s old API, not of a device',
      'Insert subscription.endpoint; an app registers with channel "fcm" and its fcm_token.')
  ) as m (place, column_name, pattern, what, hint)
  where m.column_name = p_column and left(p_value, 5000) ~ m.pattern
  order by m.place
  limit 1;
$$;
comment on function push.mistaken_address(text, text) is
  'What a value given as fcm_token or endpoint looks like, if that is something else, and what to give instead; no row when it may be one.';
