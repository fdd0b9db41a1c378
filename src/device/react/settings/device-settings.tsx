import { type ReactNode, useEffect, useRef } from 'react';
import { type DeviceWithState, useDevices } from '../hooks/use-devices.ts';
import { usePush } from '../hooks/use-push.ts';
import { Announcement, useAnnouncement } from '../parts/announcement.tsx';
import { ConfirmButton } from '../parts/confirm-button.tsx';
import { ErrorNote } from '../parts/error-note.tsx';
import { Icon } from '../parts/icon.tsx';
import { Skeleton } from '../parts/skeleton.tsx';
import { Switch } from '../parts/switch.tsx';
import { useKeptFocus } from '../parts/use-kept-focus.ts';
import { useNow } from '../parts/use-now.ts';
import { usePushContext } from '../push-provider.tsx';
import { SettingsSection } from './settings-section.tsx';

const ICONS = { desktop: 'computer', mobile: 'phone', tablet: 'tablet', unknown: 'computer' } as const;

/** The devices that are notified: which is this one, whether they are, and their removal. */
export function DeviceSettings(): ReactNode {
  const { strings } = usePushContext();
  const words = strings.settings;
  const push = usePush();
  const { devices, error, loadError, busy, remove, setEnabled, reload } = useDevices();
  const [said, announce] = useAnnouncement();
  const place = useRef<HTMLDivElement>(null);
  useKeptFocus(place);
  // What this browser's status becomes, here or in another component, changes the list.
  const { status } = push;
  const before = useRef(status);
  useEffect(() => {
    if (before.current !== status) void reload();
    before.current = status;
  }, [status, reload]);

  const nameOf = (device: DeviceWithState): string => device.name ?? words.unnamedDevice(device.deviceType);
  return (
    <SettingsSection title={words.devices}>
      <div ref={place} tabIndex={-1} className="supapush-place">
        <ErrorNote error={loadError} {...(devices === null && { onRetry: reload })} />
        {devices === null && !loadError && <Skeleton label={words.loading} rows={2} />}
        {devices?.length === 0 && <p className="supapush-empty">{words.noDevices}</p>}
        {devices && devices.length > 0 && (
          <ul className="supapush-devices">
            {devices.map((device) => (
              <li key={device.id} className="supapush-device">
                <Icon name={ICONS[device.deviceType]} />
                <div className="supapush-device-text">
                  <span className="supapush-device-name">
                    {nameOf(device)}
                    {device.current && <span className="supapush-tag">{words.thisDevice}</span>}
                  </span>
                  <span className="supapush-hint">
                    <DeviceMoment device={device} />
                  </span>
                </div>
                <Switch
                  label={words.receives(nameOf(device))}
                  labelHidden
                  on={device.enabled}
                  onChange={(enabled) => setEnabled(device.id, enabled)}
                  error={error}
                />
                <ConfirmButton
                  label={words.remove}
                  fullLabel={words.removeDevice(nameOf(device))}
                  question={words.confirmRemove(nameOf(device))}
                  cancelLabel={words.cancel}
                  disabled={busy === device.id}
                  onConfirm={async () => {
                    const removed = await remove(device.id);
                    if (removed) announce(words.deviceRemoved(nameOf(device)));
                    return removed;
                  }}
                  error={error}
                />
              </li>
            ))}
          </ul>
        )}
        <div className="supapush-buttons">
          {(status === 'default' || status === 'granted') && (
            <button
              type="button"
              className="supapush-button supapush-primary"
              aria-disabled={push.busy !== null || undefined}
              onClick={() => push.busy === null && void push.subscribe()}
            >
              {push.busy === 'subscribe' ? words.working : words.turnOnHere}
            </button>
          )}
          {devices && devices.length > 0 && (
            <button
              type="button"
              className="supapush-button"
              aria-disabled={push.busy !== null || undefined}
              onClick={async () => {
                if (push.busy === null && (await push.sendTest())) announce(words.testSent);
              }}
            >
              {words.sendTest}
            </button>
          )}
        </div>
        {/* What kept it from being known how push stands is told above, with the list that it kept away too. */}
        <ErrorNote error={loadError ? null : push.error} />
        <Announcement text={said} shown />
      </div>
    </SettingsSection>
  );
}

function DeviceMoment({ device }: { device: DeviceWithState }): ReactNode {
  const { strings, format } = usePushContext();
  const now = useNow();
  const { lastUsedAt, createdAt } = device;
  return lastUsedAt === null
    ? strings.settings.addedOn(format.ago(createdAt, now))
    : strings.settings.lastUsed(format.ago(lastUsedAt, now));
}
