/**
 * A start or a macrostep from remembered microsteps: a fraction of XState's time, the same result. Selecting transitions and evaluating
 * guards stays XState's. Together with the files it imports, this is the only code that knows XState's internals; the differential tests
 * hold the two against each other, so run them on every XState upgrade.
 */
import type { AnyActorScope, AnyEventObject, AnyMachineSnapshot, AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { evaluateGuard } from 'xstate/guards';
import type { Evaluated } from './evaluated.ts';
import type { Hydration } from './hydration.ts';
import { Macrostep } from './macrostep.ts';
import { MicrostepPlans } from './microstep-plan.ts';
import { refuseSpawn } from './planned-actions.ts';
import { SLOW } from './slow.ts';
import { asSnapshot, type WorkingSnapshot } from './working-snapshot.ts';

type Transitions = readonly AnyTransitionDefinition[];
const NONE: Transitions = [];

export class MemoisedMicrosteps {
  readonly #machine: AnyStateMachine;
  readonly #hydration: Hydration;
  readonly #plans: MicrostepPlans;
  readonly #maxIterations: number;
  #unentered: AnyMachineSnapshot | undefined;

  constructor(machine: AnyStateMachine, hydration: Hydration) {
    this.#machine = machine;
    this.#hydration = hydration;
    this.#plans = new MicrostepPlans(machine, hydration);
    this.#maxIterations = (machine.options as { maxIterations?: number } | undefined)?.maxIterations ?? Number.POSITIVE_INFINITY;
  }

  /** @throws {SLOW} Start it again with XState, from the beginning: context and assigns may have been evaluated already. */
  start(input: unknown, scope: AnyActorScope): Evaluated {
    const plan = this.#plans.start();
    if (plan === undefined) throw SLOW;
    this.#unentered ??= unentered(this.#machine, this.#hydration);
    const working = { ...this.#unentered, context: this.#initialContext(input, scope) } as unknown as WorkingSnapshot;
    const macrostep = new Macrostep(this.#machine, working, plan.next, scope, this.#plans);
    const event = { type: 'xstate.init', input };
    macrostep.play(plan, event);
    this.#settle(macrostep, working, event);
    return { snapshot: asSnapshot(working), actions: macrostep.listed };
  }

  /** @throws {SLOW} Evaluate it again with XState, from the beginning: guards and assigns may have run already. */
  macrostep(previous: AnyMachineSnapshot, event: AnyEventObject, scope: AnyActorScope): Evaluated {
    const transitions = this.#select(previous, event);
    // No transition for an error ends the whole statechart, and stopping stops its actors: rare, and XState's to do.
    if (transitions.length === 0 && event.type.startsWith('xstate.error.actor')) throw SLOW;
    const working = { ...previous } as unknown as WorkingSnapshot;
    const macrostep = new Macrostep(this.#machine, working, this.#hydration.template(previous.value), scope, this.#plans);
    const heard = macrostep.take(transitions, event);
    const changed = this.#settle(macrostep, working, event) || heard;
    return { snapshot: changed ? asSnapshot(working) : previous, actions: macrostep.listed };
  }

  /** Follows eventless transitions and raised events until there are none. True: something changed. */
  #settle(macrostep: Macrostep, working: WorkingSnapshot, event: AnyEventObject): boolean {
    let changed = false;
    let hearing = event;
    let tryEventless = true;
    for (let iteration = 1; working.status === 'active'; iteration++) {
      if (iteration > this.#maxIterations) throw SLOW; // XState says it better
      let enabled: Transitions = tryEventless ? this.#selectEventless(working, macrostep.template, hearing) : NONE;
      const eventless: boolean = enabled.length > 0;
      if (!eventless) {
        const raised = macrostep.nextRaised();
        if (raised === undefined) break;
        hearing = raised;
        enabled = this.#select(asSnapshot(working), hearing);
      }
      // Inside a macrostep XState visits regions in the order they were entered, not in document order.
      if (enabled.length > 1) throw SLOW;
      const stepChanged: boolean = macrostep.take(enabled, hearing);
      changed ||= stepChanged;
      tryEventless = !eventless || stepChanged;
    }
    return changed;
  }

  /** A factory is called once, as XState calls it; a literal is shared by all runs. */
  #initialContext(input: unknown, { self }: AnyActorScope): unknown {
    const { context } = this.#machine.config as { readonly context?: unknown };
    return typeof context === 'function' ? { ...context({ spawn: refuseSpawn, input, self }) } : context || {};
  }

  #select(snapshot: AnyMachineSnapshot, event: AnyEventObject): Transitions {
    return this.#machine.getTransitionData(snapshot as never, event as never) as Transitions;
  }

  #selectEventless(working: WorkingSnapshot, template: AnyMachineSnapshot, event: AnyEventObject): Transitions {
    const candidates = this.#eventlessOf(template);
    if (candidates.length === 0) return NONE;
    const snapshot = asSnapshot(working);
    const selected = new Set<AnyTransitionDefinition>();
    for (const ofLeaf of candidates) {
      const enabled = ofLeaf.find(
        ({ guard }) => guard === undefined || evaluateGuard(guard as never, working.context as never, event as never, snapshot as never),
      );
      if (enabled !== undefined) selected.add(enabled);
    }
    return [...selected];
  }

  readonly #eventless = new WeakMap<AnyMachineSnapshot, readonly Transitions[]>();

  /** For each active leaf that has any: its eventless transitions and those of the states around it, inner first. */
  #eventlessOf(template: AnyMachineSnapshot): readonly Transitions[] {
    let found = this.#eventless.get(template);
    if (found === undefined) {
      const leaves = template._nodes.filter((node) => node.type === 'atomic' || node.type === 'final');
      found = leaves
        .map((leaf) => [...outwards(leaf)].flatMap((node) => (node.always ?? []) as Transitions))
        .filter((list) => list.length > 0);
      this.#eventless.set(template, found);
    }
    return found;
  }
}

/** What the actions of the first microstep see: the root, active and not entered yet. */
function unentered({ root }: AnyStateMachine, hydration: Hydration): AnyMachineSnapshot {
  return { ...hydration.template({}), status: 'active', _nodes: [root], tags: new Set(root.tags) } as AnyMachineSnapshot;
}

function* outwards(leaf: AnyStateNode): Generator<AnyStateNode> {
  for (let node: AnyStateNode | undefined = leaf; node !== undefined; node = node.parent) yield node;
}
