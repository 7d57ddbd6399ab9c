import { type Figure, measure } from './measure.ts';
import { append, payloadOf, storeCommands, storeEvents, type Window } from './publish.ts';
import { orderedReplay } from './replay.ts';
import { SocketClient } from './socket-client.ts';
import { askJetStream, expectStored, withStreams, worker } from './streams.ts';

export type { Figure };
export { orderedReplay };

export interface Target {
  url: string;
  /** Also measure the CPU time of the server with this process id. */
  serverPid?: number | undefined;
}

interface Loop {
  runs: number;
  /** Commands worked on at a time; 100 when left out. */
  inFlight?: number;
  /** With none, the loop is consume and acknowledge. */
  events: 0 | 2 | 4;
}

const PULL_EXPIRES_NANOS = 30_000_000_000;
const NEXT_COMMANDS = `$JS.API.CONSUMER.MSG.NEXT.RAW_COMMANDS.${worker.durable_name}`;

/** Appends of about 200 bytes, each naming the last sequence of its subject. */
export async function casAppends({ url, serverPid, ...window }: Target & Window): Promise<Figure> {
  return onFreshStreams(url, async (client) => {
    const figure = await measure(() => storeEvents(client, window), serverPid);
    await expectStored(client, { events: window.count, commands: 0 });
    return figure;
  });
}

/** Commands stored in a work queue, each with its `Nats-Msg-Id`. */
export async function publishCommands({ url, serverPid, ...window }: Target & Window): Promise<Figure> {
  return onFreshStreams(url, async (client) => {
    const figure = await measure(() => storeCommands(client, window), serverPid);
    await expectStored(client, { events: 0, commands: window.count });
    return figure;
  });
}

/**
 * Consume a start command, append `events` events to the run's own subject one after the other, acknowledge. The commands are
 * stored before the clock starts; it stops when the server has taken the last ack.
 */
export async function runLoop({ url, serverPid, runs, inFlight = 100, events }: Target & Loop): Promise<Figure> {
  return onFreshStreams(url, async (client) => {
    await storeCommands(client, { count: runs });
    const consumer = { stream_name: 'RAW_COMMANDS', config: worker };
    await askJetStream(client, `CONSUMER.DURABLE.CREATE.RAW_COMMANDS.${worker.durable_name}`, consumer);
    const figure = await measure(() => consume(client, { runs, inFlight, events }), serverPid);
    await expectStored(client, { events: runs * events, commands: 0 });
    return figure;
  });
}

/** `orderedReplay` of a stream that `casAppends` could have written. */
export async function replayOfAppends({ url, serverPid, count }: Target & { count: number }): Promise<Figure> {
  return onFreshStreams(url, async (client) => {
    await storeEvents(client, { count });
    return orderedReplay({ url, serverPid, stream: 'RAW_EVENTS', filter: 'raw.evt.>' });
  });
}

function consume(client: SocketClient, { runs, inFlight, events }: Required<Loop>): Promise<number> {
  return client.settled((resolve) => {
    const ready: string[] = []; // where to acknowledge the commands that wait for a free place
    let asked = 0;
    let delivered = 0;
    let started = 0;
    let finished = 0;

    const inbox = client.subscribe((command) => {
      if (command.status !== '') throw new Error(`pull ended early: ${command.headers.trim()}`);
      delivered++;
      ready.push(command.reply);
      startRuns();
    });
    const startRuns = () => {
      while (started - finished < inFlight && ready.length > 0) advance(started++, ready.shift() ?? '', events, 0);
      pull();
    };
    // Asked for ahead of need, so that the next commands travel while these runs go on.
    const pull = () => {
      const batch = Math.min(inFlight, runs - asked);
      if (batch === 0 || asked - delivered + ready.length > inFlight / 2) return;
      asked += batch;
      client.publish(NEXT_COMMANDS, JSON.stringify({ batch, expires: PULL_EXPIRES_NANOS }), '', inbox);
    };
    const advance = (run: number, ackTo: string, stepsLeft: number, expected: number) => {
      if (stepsLeft === 0) finish(ackTo);
      else append(client, `raw.evt.${run}`, payloadOf(run), expected, (sequence) => advance(run, ackTo, stepsLeft - 1, sequence));
    };
    const finish = (ackTo: string) => {
      finished++;
      if (finished === runs) {
        client.request(ackTo, '+ACK', () => resolve(runs)); // acks are taken in order: the answer to the last speaks for all
        return;
      }
      client.publish(ackTo, '+ACK');
      startRuns();
    };
    pull();
  });
}

async function onFreshStreams(url: string, work: (client: SocketClient) => Promise<Figure>): Promise<Figure> {
  const client = await SocketClient.connect(url);
  try {
    return await withStreams(client, () => work(client));
  } finally {
    client.close();
  }
}
