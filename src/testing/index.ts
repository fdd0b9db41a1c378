export {
  type DeviceMessage,
  type PushService,
  type PushServiceOptions,
  type PushSubscriptionJson,
  type ReceivedRequest,
  type ScriptedAnswer,
  startPushService,
  type VirtualDevice,
  type VirtualDeviceOptions,
  type WaitOptions,
} from './push-service/push-service.ts';
export { PushServiceError, type PushServiceErrorCode } from './push-service/push-service-error.ts';
export type { TestDevice } from './test-device.ts';
export type { TestMessage } from './test-message.ts';
export { type Delivered, startTestPush, type TestPush, type TestPushOptions } from './test-push.ts';
