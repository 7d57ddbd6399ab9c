/**
 * Every state that a machine can get into and every step between them. `xstate/graph` walks any logic, so it is given the fold itself:
 * what is walked is what runs. The clock stands still, and each timer that is armed may fire: every order of timers is walked.
 */
import type { AnyEventObject, AnyStateMachine, AnyTransitionDefinition } from 'xstate';
import { getAdjacencyMap, getShortestPaths } from 'xstate/graph';
import { TerminalError, UnavailableError } from '../../src/domain/errors.ts';
import { instant } from '../../src/domain/ids.ts';
import { resolvePolicy, type StatedPolicy } from '../../src/domain/run-policy.ts';
import { foldable } from '../../src/domain/statechart/fold.ts';
import { statesOf } from '../../src/domain/statechart/machine-walk.ts';
import { serializeError } from '../../src/domain/statechart/serialized-error.ts';
import { isFinal, outstanding, type Snapshot } from '../../src/domain/statechart/snapshot.ts';
import { stimulusOf } from './folded-run.ts';
import { forbidAmbient } from './forbid-ambient.ts';
import { seedOf, type TimelessMove } from './play-view.ts';

export interface Walkable {
  readonly machine: AnyStateMachine;
  /** Parsed: what the machine is started with. */
  readonly input: unknown;
  /** By the `src` of an activity: its answers, one of each kind that the machine tells apart. */
  readonly outputs: Readonly<Record<string, readonly unknown[]>>;
  /** @default each event that the machine names, with nothing but its type */
  readonly events?: readonly AnyEventObject[];
  /** What the machine states of its time limits and retries. @default nothing */
  readonly policy?: StatedPolicy | undefined;
  /** The run is told to end and only puts in order what it has begun: it need not be able to succeed any more. @default never */
  readonly isEnding?: (context: never) => boolean;
  /** What of the context tells two states apart. A machine that counts has no end of states without it. @default all of it */
  readonly project?: (context: never) => unknown;
}

export interface Edge {
  readonly from: Snapshot;
  readonly move: TimelessMove;
  /** The same as `from` when the machine does not listen. */
  readonly to: Snapshot;
  /** The one of the model's states that `to` is not told apart from. */
  readonly arrives: Snapshot;
  /** From the start to `to`. */
  readonly path: readonly TimelessMove[];
  /** The transitions taken, microstep by microstep. */
  readonly taken: Taken;
}
type Taken = readonly (readonly AnyTransitionDefinition[])[];

export interface Model {
  readonly machine: AnyStateMachine;
  /** The initial one first. */
  readonly states: readonly Snapshot[];
  readonly edges: readonly Edge[];
  /** Those that no other one goes on from: together they take every edge. */
  readonly paths: readonly (readonly TimelessMove[])[];
  /** At the start. */
  readonly taken: Taken;
  isEnding(state: Snapshot): boolean;
  /** Ids of the active nodes. */
  nodesOf(state: Snapshot): readonly string[];
}

/** The ways in which an activity can fail that a machine may tell apart. */
const ERRORS = [
  serializeError(new Error('try again')),
  serializeError(new TerminalError('give up')),
  serializeError(new UnavailableError('the store', 'it is down', 1_000)),
];
/** Walked within seconds. */
const MAX_EDGES = 20_000;

/** @throws {Error} Says what is missing, e.g. the output of an activity. */
export function modelOf(walkable: Walkable): Model {
  const { machine, input, project = (context: unknown) => context, isEnding = () => false } = walkable;
  let taken: (readonly AnyTransitionDefinition[])[] = [];
  const onMicrostep = (transitions: readonly AnyTransitionDefinition[]) => void taken.push(transitions);
  const statechart = foldable(machine, { guardCode: forbidAmbient, onMicrostep });

  const policy = resolvePolicy(walkable.policy);
  const initial = statechart.start(input, { ...environment('start'), policy }).snapshot;
  const takenAtStart = taken;
  const step = (from: Snapshot, move: TimelessMove): Snapshot => {
    taken = [];
    const stimulus = stimulusOf(from, move)!;
    return statechart.step(from, stimulus, environment(stimulus.event.type))?.snapshot ?? from;
  };
  const keyOf = (state: Snapshot): string => JSON.stringify([...formOf(state), project(state.context as never)]);
  const { ways, adjacent } = graphOf(machine.id, initial, step, keyOf, movesFrom(walkable));

  const states = new Map(adjacent.map(({ state }) => [keyOf(state), state]));
  const edges = adjacent.flatMap(({ state: from, moves }) =>
    moves.map((move): Edge => {
      const to = step(from, move);
      return { from, move, to, arrives: states.get(keyOf(to))!, path: [...ways.get(keyOf(from))!, move], taken };
    }),
  );
  const goesOn = ({ arrives, path }: Edge) => !isFinal(arrives) && JSON.stringify(ways.get(keyOf(arrives))) === JSON.stringify(path);
  return {
    machine,
    states: [...states.values()],
    edges,
    paths: edges.filter((edge) => !goesOn(edge)).map(({ path }) => path),
    taken: takenAtStart,
    isEnding: ({ context }) => isEnding(context as never),
    nodesOf: (state) => (statechart.hydrate(state)._nodes as readonly { id: string }[]).map(({ id }) => id),
  };
}

const environment = (eventType: string) => ({ at: instant(0), seed: seedOf(0, eventType) });

/** All of a state but its context, and but numbers that only ever grow. */
function formOf({ value, status, history = {}, activities = {}, timers = {} }: Snapshot): unknown[] {
  const going = Object.entries(activities).map(([id, { finished = false }]) => [id, finished]);
  return [value, status, history, going, Object.keys(timers).sort()];
}

interface Adjacent {
  readonly state: Snapshot;
  readonly moves: readonly TimelessMove[];
}

/** The types of `xstate/graph` speak of actors and events, its code does not. */
function graphOf(
  id: string,
  initial: Snapshot,
  step: (from: Snapshot, move: TimelessMove) => Snapshot,
  keyOf: (state: Snapshot) => string,
  moves: (state: Snapshot) => readonly TimelessMove[],
): { readonly ways: ReadonlyMap<string, readonly TimelessMove[]>; readonly adjacent: readonly Adjacent[] } {
  const logic = { getInitialSnapshot: () => initial, transition: step } as never;
  const options = {
    events: moves,
    serializeState: keyOf,
    serializeEvent: (move: TimelessMove) => JSON.stringify(move),
    limit: MAX_EDGES,
  } as never;
  try {
    const paths = getShortestPaths(logic, options) as unknown as readonly { state: Snapshot; steps: readonly { event: TimelessMove }[] }[];
    const map = Object.values(getAdjacencyMap(logic, options)) as unknown as readonly {
      state: Snapshot;
      transitions: Readonly<Record<string, { event: TimelessMove }>>;
    }[];
    return {
      // The first step of each path is the start.
      ways: new Map(paths.map(({ state, steps }) => [keyOf(state), steps.slice(1).map(({ event }) => event)])),
      adjacent: map.map(({ state, transitions }) => ({ state, moves: Object.values(transitions).map(({ event }) => event) })),
    };
  } catch (error) {
    if ((error as Error).message !== 'Traversal limit exceeded') throw error;
    throw new Error(`${id}: more than ${MAX_EDGES} edges; 'project' its context to what decides where it goes`, { cause: error });
  }
}

function movesFrom({ machine, outputs, events = eventsOf(machine) }: Walkable): (state: Snapshot) => readonly TimelessMove[] {
  return (state) => {
    if (isFinal(state)) return [];
    const { activities, timers } = outstanding(state);
    const answers = activities.flatMap(({ id, src }): TimelessMove[] => {
      const known = outputs[src];
      if (known === undefined) throw new Error(`${machine.id}: add what '${src}' returns to its sample, e.g. outputs: { ${src}: [null] }`);
      return [
        ...known.map((output): TimelessMove => ({ do: 'resolve', id, output })),
        ...ERRORS.map((error): TimelessMove => ({ do: 'reject', id, error })),
      ];
    });
    return [
      ...events.map((event): TimelessMove => ({ do: 'hear', event })),
      ...answers,
      ...timers.map(({ id }): TimelessMove => ({ do: 'fire', id })),
    ];
  };
}

export function eventsOf(machine: AnyStateMachine): AnyEventObject[] {
  const types = new Set(
    [...statesOf(machine)].flatMap((node) => [...node.transitions.keys()]).filter((type) => !type.startsWith('xstate.')),
  );
  const wildcard = [...types].find((type) => type.endsWith('*'));
  if (wildcard !== undefined) throw new Error(`${machine.id}: add 'events' to its sample, among them one that '${wildcard}' hears`);
  return [...types].map((type) => ({ type }));
}
