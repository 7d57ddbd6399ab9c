import { setTimeout as delay } from 'node:timers/promises';
import { append } from './publish.ts';
import { SocketClient } from './socket-client.ts';
import { withStreams } from './streams.ts';

interface RecordedStarts {
  readonly url: string;
  readonly schedules: number;
  readonly seconds: number;
}

/** About what an event of a schedule has, and a start command. */
const [EVENT, COMMAND] = ['e'.repeat(900), 'c'.repeat(250)];

/**
 * Every second on the second, for each schedule: an event is appended, and once that is stored, a command. Resolves to how late each
 * command was answered, in milliseconds.
 */
export async function recordedStarts({ url, schedules, seconds }: RecordedStarts): Promise<number[]> {
  const client = await SocketClient.connect(url);
  const late: number[] = [];
  const last = new Array<number>(schedules).fill(0);
  const secondsWork = (due: number) =>
    client.settled<void>((resolve) => {
      let open = schedules;
      const answered = () => {
        late.push(Date.now() - due);
        if (--open === 0) resolve();
      };
      for (let schedule = 0; schedule < schedules; schedule++) {
        append(client, `raw.evt.${schedule}`, EVENT, last[schedule]!, (sequence) => {
          last[schedule] = sequence;
          client.request('raw.cmd', COMMAND, answered, `Nats-Msg-Id: ${schedule}-${due}\r\n`);
        });
      }
    });
  await withStreams(client, async () => {
    for (let second = 0; second < seconds; second++) {
      const due = (Math.floor(Date.now() / 1_000) + 1) * 1_000;
      while (Date.now() < due) await delay(due - Date.now());
      await secondsWork(due);
    }
  });
  client.close();
  return late;
}
