/**
 * Everything by which to judge what happened, read with the NATS client and from the files of the activities. Nothing here or in `checks/`
 * comes from `src/`: a checker that shared code with what it checks would share its mistakes.
 */
import { AckPolicy, DeliverPolicy, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { AnyStateMachine, StateValue } from 'xstate';
import type { RunPolicy } from '../../src/domain/run-policy.ts';
import { type Effect, readEffects } from './effects.ts';
import type { Death } from './fleet.ts';
import type { PlannedRun } from './plan.ts';

export interface LoggedTimer {
  readonly visit: number;
  readonly dueAt: number;
  readonly event: { readonly type: string };
}
export interface LoggedSnapshot {
  readonly value: StateValue;
  readonly context: unknown;
  readonly status: string;
  readonly output?: unknown;
  readonly visits: number;
  readonly activities?: Readonly<Record<string, { readonly src: string; readonly visit: number; readonly finished?: true }>>;
  readonly timers?: Readonly<Record<string, LoggedTimer>>;
}
export type LoggedCause =
  | { readonly command: number }
  | { readonly activity: string; readonly visit: number }
  | { readonly timer: string; readonly visit: number };

/** A run event, as README describes it. */
export interface LoggedEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: {
    readonly revision: number;
    readonly event?: { readonly type: string; readonly [field: string]: unknown };
    readonly from: string | null;
    readonly to: string;
    readonly cause: LoggedCause;
    readonly lease: { readonly command: number; readonly delivery: number; readonly term: number; readonly lane?: string };
    readonly parked?: { readonly until: string | null };
    readonly input?: unknown;
    readonly policy?: RunPolicy;
    readonly startedAt: string;
    readonly outcome?: string;
    readonly snapshot: LoggedSnapshot;
    readonly definition: string;
    readonly previous: string | null;
  };
}

export interface Stored {
  readonly sequence: number;
  readonly storedAtMs: number;
  readonly bytes: Uint8Array;
  readonly event: LoggedEvent;
}

export type Expected = Pick<PlannedRun, 'jobType' | 'runId' | 'input' | 'outcomes' | 'lane'>;

/** A signal, or `restart`: the command that begins a run anew. */
export interface SentSignal {
  readonly run: string;
  readonly type: string;
  /** Places in the COMMANDS stream: more than one only if the server forgot the message id in a crash. */
  readonly commands: ReadonlySet<number>;
  /** Sent before the start command of its run was stored. */
  readonly early: boolean;
}

/** When a process could not hear or do anything. */
export interface Outage {
  /** Undefined: all of them, because of the server. */
  readonly source: string | undefined;
  readonly from: number;
  readonly to: number;
}

export interface Letter {
  readonly origin: string;
  /** `<jobType>/<runId>` of the run that it is about. */
  readonly run: string;
  readonly code: string;
  /** Place in the COMMANDS stream of what it was. */
  readonly command: number;
  readonly storedAtMs: number;
  /** Everything, for people. */
  readonly text: string;
}

export interface Evidence {
  /** By `<jobType>/<runId>`, in the order of the log. */
  readonly runs: ReadonlyMap<string, readonly Stored[]>;
  readonly effects: readonly Effect[];
  readonly expected: readonly Expected[];
  /** Signals that were stored for certain. */
  readonly signals: readonly SentSignal[];
  /** Runs at once, by job type; by lane, where there is not only `normal`. */
  readonly limits: Readonly<Record<string, number | Readonly<Record<string, number>>>>;
  /** A wait that is shorter is held. */
  readonly parkAfterMs: number;
  readonly machines: Readonly<Record<string, AnyStateMachine>>;
  readonly deaths: readonly Death[];
  readonly outages: readonly Outage[];
  /** Processes whose clock was set back at some time. */
  readonly clocksSetBack: ReadonlySet<string>;
  /** Subjects of commands still stored; and consumers, with what the server says of them, if they have to do with more or less than that. */
  readonly commandsLeft: { readonly stored: readonly string[]; readonly consumers: readonly string[] };
  readonly deadLetters: readonly Letter[];
  /** What else was noticed while it happened. */
  readonly problems: readonly string[];
}

export interface Gathering extends Omit<Evidence, 'runs' | 'effects' | 'commandsLeft' | 'deadLetters'> {
  readonly connection: NatsConnection;
  /** Folder of the files of the activities. */
  readonly effects: string;
}

export async function gatherEvidence({ connection, effects, ...known }: Gathering): Promise<Evidence> {
  const runs = new Map<string, Stored[]>();
  const problems = [...known.problems];
  await readStream(connection, 'EVENTS', ({ subject, data, sequence, storedAtMs }) => {
    const [, what, jobType, runId] = subject.split('.');
    if (what !== 'run') return;
    const key = `${jobType}/${runId}`;
    try {
      const stored = { sequence, storedAtMs, bytes: data, event: JSON.parse(Buffer.from(data).toString()) as LoggedEvent };
      const before = runs.get(key);
      if (before === undefined) runs.set(key, [stored]);
      else before.push(stored);
    } catch {
      problems.push(`${subject} at ${sequence} is no JSON`);
    }
  });
  const deadLetters: Letter[] = [];
  await readStream(connection, 'DEAD_LETTERS', ({ subject, data, header, storedAtMs }) => {
    const text = `${subject} ${header('Almanac-Reason')} ${Buffer.from(data).toString()}`;
    const [, origin, jobType] = subject.split('.');
    const run = `${jobType}/${header('Almanac-Run-Id')}`;
    deadLetters.push({
      origin: origin!,
      run,
      code: header('Almanac-Reason-Code'),
      storedAtMs,
      command: Number(header('Almanac-Origin-Sequence')),
      text,
    });
  });
  return { ...known, problems, runs, effects: readEffects(effects), deadLetters, commandsLeft: await commandsLeft(connection) };
}

async function commandsLeft(connection: NatsConnection): Promise<Evidence['commandsLeft']> {
  const manager = await jetstreamManager(connection);
  const stored: string[] = [];
  await readSubjects(manager, 'COMMANDS', (subject) => stored.push(subject));
  const consumers: string[] = [];
  let outstanding = 0;
  const miscountsWakes = connection.info!.version.startsWith('2.9.'); // once it was killed; it keeps nobody waiting
  for await (const { name, delivered, ack_floor, num_pending, num_ack_pending } of manager.consumers.list('COMMANDS')) {
    if (num_pending + num_ack_pending === 0 || (name === 'wake' && miscountsWakes)) continue;
    outstanding += num_pending + num_ack_pending;
    consumers.push(`${name} ${JSON.stringify({ delivered, ack_floor, num_pending, num_ack_pending })}`);
  }
  const counted = stored.filter((subject) => !miscountsWakes || subject.split('.')[2] !== 'wake');
  const settled = outstanding === counted.length;
  return { stored, consumers: settled ? [] : consumers };
}

/** Past the consumers: a work queue does not let us have another one. */
async function readSubjects(manager: JetStreamManager, stream: string, onMessage: (subject: string) => void): Promise<void> {
  const { state } = await manager.streams.info(stream);
  for (let seq = state.first_seq; state.messages > 0 && seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(stream, { seq });
    if (message !== null) onMessage(message.subject);
  }
}

interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly sequence: number;
  readonly storedAtMs: number;
  readonly header: (name: string) => string;
}

const BATCH = 2_000;
const NANOS_A_MS = 1_000_000n;

/** From the first message to the last one there is. A consumer of its own, whose acknowledgements nobody needs. */
async function readStream(connection: NatsConnection, stream: string, onMessage: (message: Message) => void): Promise<void> {
  const manager = await jetstreamManager(connection);
  const { name } = await manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.All,
    inactive_threshold: 60_000_000_000,
    mem_storage: true,
  });
  const consumer = await jetstream(connection).consumers.get(stream, name);
  for (let { num_pending: left } = await consumer.info(); left > 0; ) {
    const batch = await consumer.fetch({ max_messages: Math.min(BATCH, left), expires: 10_000 });
    let got = 0;
    for await (const { subject, data, seq, timestampNanos, headers } of batch) {
      got++;
      const header = (name: string) => headers?.get(name) ?? '';
      onMessage({ subject, data, sequence: seq, storedAtMs: Number(timestampNanos / NANOS_A_MS), header });
    }
    if (got === 0) throw new Error(`reading ${stream} came to a halt with ${left} messages left`);
    left -= got;
  }
  await manager.consumers.delete(stream, name);
}
