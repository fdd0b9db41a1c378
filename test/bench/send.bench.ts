import { withTemporaryFolder } from '../../tools/quality/temporary-folder.ts';
import { alternate, type Bench, median } from './harness/bench.ts';
import { startPushSink } from './harness/push-sink.ts';
import { runSide } from './harness/side-process.ts';
import type { SendInput, SendSample, SendSide } from './sides/send.ts';

const ROUNDS = 5;
const IN_FLIGHT = 100;
const SENDS: Record<SendSide, number> = { ours: 8000, 'web-push': 1600 };

const bench: Bench = {
  summary: 'Whole sends per second from one Deno process to an HTTPS (HTTP/2) push service',
  compared: [{ name: 'sends', kind: 'rate', row: 'ours', column: 'sends/s' }],
  run: (progress) =>
    withTemporaryFolder(async (folder) => {
      const sink = await startPushSink(folder);
      try {
        const sample = (side: SendSide) => async () => {
          const input: SendInput = { side, origin: sink.origin, sends: SENDS[side], inFlight: IN_FLIGHT };
          await sink.reset();
          const result = await runSide<SendSample>('deno', 'send', input, sink.certificate);
          const { requests } = await sink.count();
          if (requests < SENDS[side]) throw new Error(`${side}: only ${requests} sends arrived`);
          return result;
        };
        const sides = { ours: sample('ours'), 'web-push': sample('web-push') };
        const samples = await alternate(sides, ROUNDS, progress);
        const perSecond = (side: SendSide) => median(samples[side].map((one) => one.perSecond));
        return {
          columns: ['', 'sends/s', 'lowest', 'highest', 'CPU ms each'],
          rows: (Object.keys(sides) as SendSide[]).map((side) => {
            const all = samples[side].map((one) => one.perSecond);
            return [
              side,
              perSecond(side),
              Math.min(...all),
              Math.max(...all),
              median(samples[side].map((one) => one.cpu)),
            ];
          }),
          marks: [
            { name: 'ours_to_web_push', value: perSecond('ours') / perSecond('web-push'), atLeast: 3.5 },
          ],
          notes: [
            `Medians of ${ROUNDS} rounds, a new Deno process each, ${IN_FLIGHT} in flight on both sides.`,
            'web-push is sendNotification with a keep-alive agent. The aim is 5 ×.',
          ],
        };
      } finally {
        sink.stop();
      }
    }),
};

export default bench;
