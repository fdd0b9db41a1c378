// The least a service worker does with what Supapush sends, without the SDK.

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('push', (event) => {
  const { title, navigate, data, ...options } = event.data.json().notification;
  const bytes = event.data.bytes().length;
  event.waitUntil(
    self.registration.showNotification(title, { ...options, data: { ...data, navigate, bytes } }),
  );
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(self.clients.openWindow(event.notification.data.navigate));
});
