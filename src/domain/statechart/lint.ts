/** Everything that works in a live actor but not, or not safely, in a log. Run when a machine is registered. */
import { type AnyStateMachine, type AnyStateNode, StateMachine } from 'xstate';
import { isActivity } from './declare-activity.ts';
import { error, type Finding, warning } from './finding.ts';
import { actionsOf, builtInAction, guardsOf, implementationsOf, statesOf, type Written, writtenName } from './machine-walk.ts';

export type { Finding } from './finding.ts';
export { lintForHost } from './lint-for-host.ts';

export function lint(machine: AnyStateMachine): Finding[] {
  return [...lintRoot(machine), ...[...statesOf(machine)].flatMap((node) => [...lintState(machine, node)])];
}

function* lintRoot(machine: AnyStateMachine): Generator<Finding> {
  if (machine.id === '(machine)') yield error('machine-needs-id', machine.id, 'ids of timers and completion events are derived from it');
  const { maxIterations = Number.POSITIVE_INFINITY } = machine.options as { maxIterations?: number };
  if (maxIterations === Number.POSITIVE_INFINITY) {
    yield warning('no-max-iterations', machine.id, 'an eventless loop would block the process: set options.maxIterations');
  }
}

function* lintState(machine: AnyStateMachine, node: AnyStateNode): Generator<Finding> {
  for (const written of actionsOf(node)) yield* lintAction(machine, written);
  for (const written of guardsOf(node)) yield* lintGuard(machine, written);
  for (const invoke of node.invoke) yield* lintInvoke(machine, node, invoke);
  yield* lintDelays(machine, node);
  if (node.transitions.has('*')) yield warning('wildcard', node.id, "'*' also hears the results of activities and timers");
  if (node.type === 'history' && hasParallel(node.parent!)) {
    yield warning('history-with-parallel', node.id, 'XState can reach an illegal configuration here');
  }
  if (node.key.includes('.') && node.parent !== undefined) {
    yield warning('dot-in-key', node.id, 'XState reads the dot as a path');
  }
}

function* lintAction(machine: AnyStateMachine, { what, at }: Written): Generator<Finding> {
  const { actions, delays } = implementationsOf(machine);
  const name = writtenName(what);
  if (name !== undefined && !(name in actions)) yield error('action-missing', at, `'${name}' is not in setup({ actions })`);
  const builtIn = builtInAction(machine, what);
  if (builtIn === undefined) {
    if (name === undefined)
      yield error('inline-action', at, 'code without a name cannot be found again after a restart: name it in setup({ actions })');
    return;
  }
  if (builtIn.type === 'xstate.spawnChild') {
    if (builtIn.id === undefined) yield error('spawn-needs-id', at, 'without an id all such actors share one');
    yield* lintActor(machine, at, builtIn.src);
  }
  if (typeof builtIn.id === 'string' && builtIn.id.startsWith('xstate.after.')) return; // how XState writes `after`: see lintDelays
  if (typeof builtIn.delay === 'string' && !(builtIn.delay in delays)) {
    yield error('delay-missing', at, `'${builtIn.delay}' is not in setup({ delays }): XState would act at once`);
  }
  if (builtIn.delay !== undefined && builtIn.id === undefined) {
    yield warning('delayed-event-needs-id', at, 'it cannot be cancelled');
  }
}

function* lintGuard(machine: AnyStateMachine, { what, at }: Written): Generator<Finding> {
  const name = writtenName(what);
  if (name !== undefined) {
    if (!(name in implementationsOf(machine).guards)) yield error('guard-missing', at, `'${name}' is not in setup({ guards })`);
  } else if (!('check' in (what as object))) {
    yield warning('inline-guard', at, 'it has no name in diagrams and in the definition hash');
  }
}

function* lintInvoke(machine: AnyStateMachine, node: AnyStateNode, invoke: AnyStateNode['invoke'][number]): Generator<Finding> {
  const written = [node.config.invoke].flat().some((config) => typeof config === 'object' && config.id === invoke.id);
  if (!written) yield error('invoke-needs-id', node.id, `'${invoke.id}' is made from the position of the state`);
  yield* lintActor(machine, node.id, invoke.src);
  if (invoke.onSnapshot !== undefined) {
    yield error('on-snapshot', node.id, `snapshots of '${invoke.id}' are not in the log: let it send events`);
  }
  if (!node.transitions.has(`xstate.error.actor.${invoke.id}`)) {
    yield warning('invoke-without-on-error', node.id, `an error of '${invoke.id}' ends the whole run`);
  }
}

function* lintActor(machine: AnyStateMachine, at: string, src: unknown): Generator<Finding> {
  if (typeof src !== 'string' || src.startsWith('xstate.invoke.')) {
    yield error('inline-actor', at, 'logic without a name cannot be found again after a restart: name it in setup({ actors })');
    return;
  }
  const { actors } = implementationsOf(machine);
  if (!(src in actors)) {
    yield error('actor-missing', at, `'${src}' is not in setup({ actors })`);
  } else if (!isActivity(actors[src]) && !(actors[src] instanceof StateMachine)) {
    yield error('actor-kind', at, `'${src}' is neither declared with activity() nor a machine: what it does cannot be logged`);
  }
}

function* lintDelays(machine: AnyStateMachine, node: AnyStateNode): Generator<Finding> {
  const { delays } = implementationsOf(machine);
  for (const { delay } of node.after) {
    if (typeof delay !== 'string') {
      yield warning(
        'numeric-delay',
        node.id,
        `${String(delay)} is part of the timer's id, so changing it orphans running timers: name the delay`,
      );
    } else if (!(delay in delays)) {
      yield error('delay-missing', node.id, `'${delay}' is not in setup({ delays }): XState would take the transition at once`);
    }
  }
}

const hasParallel = (node: AnyStateNode): boolean => node.type === 'parallel' || Object.values(node.states).some(hasParallel);
