/**
 * Plays the history of a run with XState's own transition functions, from its input on, and compares every snapshot with what the log
 * says. Of the runtime it uses nothing; the machines' own code asks for the time and for random numbers, and is given what the log
 * promises to have given: the time of the event, and numbers from the seed `<jobType>/<runId>:<revision>`.
 */
import { isDeepStrictEqual } from 'node:util';
import { type AnyMachineSnapshot, type AnyStateMachine, initialTransition, transition } from 'xstate';
import type { Instant } from '../../../src/domain/ids.ts';
import type { RunPolicy } from '../../../src/domain/run-policy.ts';
import { withEnvironment } from '../../../src/domain/statechart/environment.ts';
import type { LoggedEvent, LoggedSnapshot, Stored } from '../evidence.ts';
import { EVENT_KINDS } from './event-kinds.ts';

type Complain = (rule: string, detail: string) => void;
const RULE = 'the fold is the snapshot';
/** Ends a run whose statechart does not listen to `cancel`. */
const CANCEL = 'almanac.cancel';

export function checkFold(machine: AnyStateMachine, history: readonly Stored[], complain: Complain): void {
  const interpreter = new Interpreter(machine);
  for (const { event, sequence } of history) {
    const kind = EVENT_KINDS[event.type];
    if (kind === undefined) return; // somebody else complains
    const { data } = event;
    if (kind.mapped) interpreter.adopt(data.snapshot);
    if (!kind.hears) continue;
    try {
      if (kind.hears === 'the beginning') interpreter.start(data.input, event);
      else if (data.event?.type === CANCEL) interpreter.stop();
      else interpreter.hear(data.event!, event);
    } catch (error) {
      complain(RULE, `revision ${data.revision} at ${sequence}: XState throws ${error}`);
      return;
    }
    const difference = interpreter.differenceTo(data.snapshot);
    if (difference === undefined) continue;
    complain(RULE, `revision ${data.revision} at ${sequence}: ${difference}`);
    return;
  }
}

interface Action {
  readonly type: string;
  readonly params?: {
    readonly id?: string;
    readonly delay?: number;
    readonly sendId?: string;
    readonly src?: string;
  };
}

class Interpreter {
  readonly #machine: AnyStateMachine;
  #snapshot: AnyMachineSnapshot | undefined;
  /** XState makes an initial state again for every transition, so it is asked for more often than the log promises. */
  #policy: RunPolicy | undefined;
  /** By the id of the timer: when it is due. */
  readonly #timers = new Map<string, number>();
  readonly #activities = new Set<string>();

  constructor(machine: AnyStateMachine) {
    this.#machine = machine;
  }

  start(input: unknown, event: LoggedEvent): void {
    this.#policy = event.data.policy;
    this.#timers.clear();
    this.#activities.clear();
    this.#step(event, () => initialTransition(this.#machine, input));
  }

  hear(heard: { readonly type: string }, event: LoggedEvent): void {
    const before = this.#snapshot;
    if (before === undefined) throw new Error('the run has no beginning');
    const { cause } = event.data;
    if ('timer' in cause) this.#timers.delete(cause.timer);
    this.#step(event, () => transition(this.#machine, before, heard));
  }

  /** Nothing moves, and nothing is heard any more. */
  stop(): void {
    this.#snapshot = { ...this.#snapshot!, status: 'stopped' } as AnyMachineSnapshot;
  }

  /** As it is: whatever mapped it is not known here. */
  adopt({ value, context, activities = {}, timers = {} }: LoggedSnapshot): void {
    this.#snapshot = this.#machine.resolveState({ value, context });
    this.#timers.clear();
    this.#activities.clear();
    for (const [id, { dueAt }] of Object.entries(timers)) this.#timers.set(id, dueAt);
    for (const id of Object.keys(activities)) this.#activities.add(id);
  }

  differenceTo({ value, context, status, output, activities = {}, timers = {} }: LoggedSnapshot): string | undefined {
    const played = this.#snapshot!;
    const sides: [string, unknown, unknown][] = [
      ['value', value, played.value],
      ['context', context, played.context],
      ['status', status, played.status],
      ['output', output, played.output],
    ];
    if (played.status === 'active') {
      sides.push(['activities', Object.keys(activities).sort(), [...this.#activities].sort()]);
      const dueAt = Object.entries(timers).map(([id, timer]) => [id, timer.dueAt]);
      sides.push(['timers', Object.fromEntries(dueAt), Object.fromEntries(this.#timers)]);
    }
    for (const [what, logged, expected] of sides) {
      if (!isDeepStrictEqual(logged, asJson(expected)))
        return `${what} is ${JSON.stringify(logged)}, XState says ${JSON.stringify(expected)}`;
    }
    return undefined;
  }

  #step({ time, subject, data: { revision } }: LoggedEvent, step: () => readonly [unknown, readonly unknown[]]): void {
    const at = Date.parse(time);
    const [snapshot, actions] = withEnvironment({ at: at as Instant, seed: `${subject}:${revision}`, policy: this.#policy }, step);
    this.#snapshot = snapshot as AnyMachineSnapshot;
    for (const action of actions as readonly Action[]) this.#note(action, at);
  }

  #note({ type, params = {} }: Action, at: number): void {
    if (type === 'xstate.raise' && params.delay !== undefined) this.#timers.set(params.id!, at + Math.round(params.delay));
    else if (type === 'xstate.cancel') this.#timers.delete(params.sendId!);
    else if (type === 'xstate.spawnChild') this.#activities.add(params.id!);
    else if (type === 'xstate.stopChild') this.#activities.delete(params.id!);
  }
}

const asJson = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
