/** What the fold understands and the host of our runs does not carry out: everything that leaves a run goes through an activity. */
import { type AnyStateMachine, type AnyStateNode, StateMachine } from 'xstate';
import { error, type Finding, warning } from './finding.ts';
import { actionsOf, builtInAction, implementationsOf, statesOf, type Written, writtenName } from './machine-walk.ts';

const INSTEAD = 'is not supported by the host: use an activity';

export function lintForHost(machine: AnyStateMachine): Finding[] {
  return [...statesOf(machine)].flatMap((node) => [...lintState(machine, node)]);
}

function* lintState(machine: AnyStateMachine, node: AnyStateNode): Generator<Finding> {
  for (const written of actionsOf(node)) yield* lintAction(machine, written);
  for (const { src } of node.invoke) yield* lintActor(machine, node.id, src);
}

function* lintAction(machine: AnyStateMachine, { what, at }: Written): Generator<Finding> {
  const builtIn = builtInAction(machine, what);
  switch (builtIn?.type) {
    case undefined:
      // A named built-in such as assign is data; anything else named here is code with side effects.
      yield error('custom-action', at, `action '${writtenName(what) ?? 'inline'}' ${INSTEAD}`);
      return;
    case 'xstate.emit':
      yield error('emit', at, `emit ${INSTEAD}`);
      return;
    case 'xstate.sendTo':
      yield error('send-to', at, `sending to another actor ${INSTEAD}, or raise() for the run itself`);
      return;
    case 'xstate.spawnChild':
      yield* lintActor(machine, at, builtIn?.src);
      return;
    case 'xstate.enqueueActions':
      yield warning(
        'enqueue-actions',
        at,
        'what it enqueues is known only when it runs: custom actions, emit and sendTo would be refused then',
      );
  }
}

function* lintActor(machine: AnyStateMachine, at: string, src: unknown): Generator<Finding> {
  const isMachine = typeof src === 'string' && implementationsOf(machine).actors[src] instanceof StateMachine;
  if (isMachine) yield error('child-machine', at, `child machine '${src}' ${INSTEAD} that starts a run of its own`);
}
