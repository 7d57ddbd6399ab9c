/** One macrostep in progress: plays planned microsteps on a working snapshot, one after the other. */
import type { AnyActorScope, AnyEventObject, AnyMachineSnapshot, AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import type { MicrostepPlan, MicrostepPlans, Stage } from './microstep-plan.ts';
import { PlannedActions } from './planned-actions.ts';
import type { RawAction } from './raw-action.ts';
import { SLOW } from './slow.ts';
import { asSnapshot, type WorkingSnapshot } from './working-snapshot.ts';

export class Macrostep {
  /** Of the configuration reached so far. */
  template: AnyMachineSnapshot;
  readonly #machine: AnyStateMachine;
  readonly #working: WorkingSnapshot;
  readonly #scope: AnyActorScope;
  readonly #plans: MicrostepPlans;
  readonly #actions: PlannedActions;

  constructor(
    machine: AnyStateMachine,
    working: WorkingSnapshot,
    template: AnyMachineSnapshot,
    scope: AnyActorScope,
    plans: MicrostepPlans,
  ) {
    this.#machine = machine;
    this.#working = working;
    this.template = template;
    this.#scope = scope;
    this.#plans = plans;
    this.#actions = new PlannedActions(machine, working, scope);
  }

  get listed(): readonly RawAction[] {
    return this.#actions.listed;
  }

  nextRaised(): AnyEventObject | undefined {
    return this.#actions.raised.shift();
  }

  /** One microstep. False: XState would have returned the very same snapshot. */
  take(transitions: readonly AnyTransitionDefinition[], event: AnyEventObject): boolean {
    if (transitions.length === 0) return false;
    return this.play(this.#plans.plan(asSnapshot(this.#working), this.template, transitions), event);
  }

  play(plan: MicrostepPlan | undefined, event: AnyEventObject): boolean {
    if (plan === undefined) throw SLOW;
    this.#actions.touched = false;
    for (const stage of plan.stages) this.#playStage(stage, event);
    if (plan.changesConfiguration) this.#enter(plan);
    return plan.changesConfiguration || this.#actions.touched;
  }

  #playStage(stage: Stage, event: AnyEventObject): void {
    this.#actions.run(stage.actions, event, stage.startsActors);
    for (const type of stage.completionEvents) this.#actions.raised.push({ type, output: undefined });
    if (stage.final !== undefined) this.#complete(stage.final, event);
  }

  #complete(final: AnyStateNode, event: AnyEventObject): void {
    const { output } = this.#machine.root;
    if (output !== undefined) {
      const completion = { type: `xstate.done.state.${final.id}`, output: this.#evaluate(final.output, event) };
      this.#working.output = this.#evaluate(output, completion);
    }
    this.#working.status = 'done';
  }

  #evaluate(output: unknown, event: AnyEventObject): unknown {
    return typeof output === 'function' ? output({ context: this.#working.context, event, self: this.#scope.self }) : output;
  }

  #enter(plan: MicrostepPlan): void {
    this.template = plan.next;
    this.#working.value = plan.next.value;
    this.#working._nodes = plan.next._nodes;
    this.#working.tags = plan.next.tags;
    if (plan.history !== undefined) this.#working.historyValue = plan.history;
  }
}
