/** What a model lacks: empty lists are what one wants. */
import type { AnyTransitionDefinition } from 'xstate';
import { isFailure } from '../../src/domain/outcome.ts';
import { statesOf } from '../../src/domain/statechart/machine-walk.ts';
import { describeState, isFinal, outcomeOf, type Snapshot } from '../../src/domain/statechart/snapshot.ts';
import type { Edge, Model } from './model.ts';

/** Outcomes that no run can have. */
export function unreachedOutcomes({ machine, states }: Model): string[] {
  const reached = new Set(states.map(outcomeOf));
  const finals = Object.values(machine.root.states).filter(({ type }) => type === 'final');
  return finals.map(({ key }) => key).filter((outcome) => !reached.has(outcome));
}

/** States that no run ever enters, also not on its way. */
export function unenteredStates(model: Model): string[] {
  const left = takenIn(model).map(({ source }) => source.id as string);
  const entered = new Set([...model.states.flatMap(model.nodesOf), ...left, ...takenIn(model).flatMap(targetsOf)]);
  return [...statesOf(model.machine)].map(({ id }) => id).filter((id) => !entered.has(id));
}

/** Transitions of the definition that no run ever takes. */
export function untakenTransitions(model: Model): string[] {
  const taken = new Set(takenIn(model).map(nameOf));
  return [...statesOf(model.machine)]
    .flatMap(({ transitions, always }) => [...[...transitions.values()].flat(), ...((always ?? []) as AnyTransitionDefinition[])])
    .map(nameOf)
    .filter((name) => !taken.has(name));
}

/** Failures of activities that no state takes: the run ends with them, and nothing of the statechart says so. */
export function untakenFailures({ edges }: Model): string[] {
  return edges.filter(({ to }) => to.status === 'error').map(({ from, move }) => `${nameOfState(from)}: ${JSON.stringify(move)}`);
}

/** Active states in which nothing is going on, and that no event changes. */
export function stuckStates({ states, edges }: Model): string[] {
  const leavable = new Set(edges.filter(({ from, arrives }) => from !== arrives).map(({ from }) => from));
  return states.filter((state) => !isFinal(state) && !leavable.has(state)).map(nameOfState);
}

/** Active states from which a run cannot come to an end, whatever happens. */
export const endlessStates = (model: Model): string[] => statesWithoutWayTo(model, () => true);

/** Active states from which a run can only fail: one might as well end it there, unless that is what it is about. */
export const hopelessStates = (model: Model): string[] => {
  const ending = new Set(model.states.filter(model.isEnding).map(nameOfState));
  return statesWithoutWayTo(model, (outcome) => !isFailure(outcome)).filter((name) => !ending.has(name));
};

function statesWithoutWayTo({ states, edges }: Model, isWanted: (outcome: string) => boolean): string[] {
  const leading = new Set(states.filter((state) => isFinal(state) && isWanted(outcomeOf(state)!)));
  for (let before = -1; before < leading.size; ) {
    before = leading.size;
    for (const { from, arrives } of edges) if (leading.has(arrives)) leading.add(from);
  }
  return states.filter((state) => !isFinal(state) && !leading.has(state)).map(nameOfState);
}

export const canBeCancelled = (model: Model): boolean => cancelsIn(model).length > 0;

/** States in which `cancel` is not heard, or does not end the run as `cancelled`, at once or once all is in order. */
export function uncancellableStates(model: Model): string[] {
  const others = statesWithAnotherWay(model);
  return cancelsIn(model)
    .filter(({ to, arrives }) => outcomeOf(to) !== 'cancelled' && (!model.isEnding(to) || others.has(arrives)))
    .map(({ from }) => nameOfState(from));
}

/** From which a run may end as something else than `cancelled`. */
function statesWithAnotherWay({ states, edges }: Model): ReadonlySet<Snapshot> {
  const leading = new Set(states.filter((state) => isFinal(state) && outcomeOf(state) !== 'cancelled'));
  for (let before = -1; before < leading.size; ) {
    before = leading.size;
    for (const { from, arrives } of edges) if (leading.has(arrives)) leading.add(from);
  }
  return leading;
}

const cancelsIn = ({ edges }: Model): Edge[] => edges.filter(({ move }) => move.do === 'hear' && move.event.type === 'cancel');

/** Timers that fire and are still armed, or lead elsewhere than their state says. */
export function lostTimers(model: Model): string[] {
  return model.edges.flatMap((edge) => {
    if (edge.move.do !== 'fire') return [];
    const { id } = edge.move;
    const problem = problemOfTimer(model, edge, id);
    return problem === undefined ? [] : [`${nameOfState(edge.from)}, ${id}: ${problem}`];
  });
}

function problemOfTimer(model: Model, { from, to, taken }: Edge, id: string): string | undefined {
  const { visit, event } = from.timers![id]!;
  if (to.timers?.[id]?.visit === visit) return 'is still armed';
  const said = [...statesOf(model.machine)].flatMap(({ transitions }) => transitions.get(event.type) ?? []);
  if (said.length === 0) return undefined; // a delayed raise, which nobody need hear
  const [first = [], ...later] = taken;
  const wanted = said.map(nameOf);
  if (first.length === 0 || !first.every((transition) => wanted.includes(nameOf(transition)))) return `took ${first.map(nameOf)}`;
  const reached = new Set([...model.nodesOf(to), ...later.flat().map(({ source }) => source.id as string)]);
  const missed = first.flatMap(targetsOf).filter((target) => !reached.has(target));
  return missed.length === 0 ? undefined : `did not get to ${missed}`;
}

const takenIn = ({ taken, edges }: Model): AnyTransitionDefinition[] => [taken, ...edges.map((edge) => edge.taken)].flat(2);
const targetsOf = ({ target }: AnyTransitionDefinition): string[] => (target ?? []).map(({ id }) => id);
const nameOfState = (state: Snapshot): string => `${describeState(state.value)} with ${JSON.stringify(state.context)}`;

/** The same for the definition and for the fold's own copy of it. */
function nameOf(transition: AnyTransitionDefinition): string {
  const { source, eventType } = transition;
  const candidates: readonly AnyTransitionDefinition[] = source.transitions.get(eventType) ?? source.always ?? [];
  const targets = targetsOf(transition).join(', ') || '(stays)';
  return `${source.id} on ${eventType || '(always)'}, candidate ${candidates.indexOf(transition) + 1}: ${targets}`;
}
