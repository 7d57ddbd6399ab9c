/**
 * What goes on outside for a run that moves to another definition: activities and timers keep their visit, and with it their identity, as
 * long as the new states want them. What only the new states want is begun, if that can be worked out without guessing.
 */
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { instant } from '../ids.ts';
import type { TransitionEnvironment } from './environment.ts';
import { error, type Finding } from './finding.ts';
import { firstNonJson, type Json } from './json.ts';
import { implementationsOf, statesOf } from './machine-walk.ts';
import type { ArmedTimer, Snapshot, StartedActivity } from './snapshot.ts';
import { isAfterTimer, type StateMapping, timerId } from './state-mapping.ts';

export interface CarryOverOptions {
  readonly machine: AnyStateMachine;
  readonly mapping: StateMapping;
  /** Old id → new id. */
  readonly activityIds: ReadonlyMap<string, string>;
  /** Old name → new name. */
  readonly delayNames: ReadonlyMap<string, string>;
  readonly before: Snapshot;
  /** After the upcast. */
  readonly context: Json;
  readonly active: readonly AnyStateNode[];
  readonly environment: TransitionEnvironment;
}

const SIDE_BY_SIDE = 'keep the old definition beside the new one';

export class CarryOver {
  readonly issues: Finding[] = [];
  readonly activities: Record<string, StartedActivity> = {};
  readonly timers: Record<string, ArmedTimer> = {};
  readonly history: Record<string, readonly string[]> = {};
  visits: number;
  readonly #options: CarryOverOptions;

  constructor(options: CarryOverOptions) {
    this.#options = options;
    this.visits = options.before.visits;
    this.#keepHistory();
    this.#keepActivities();
    this.#startMissing();
    this.#keepTimers();
    this.#armMissing();
  }

  #keepHistory(): void {
    const { before, mapping } = this.#options;
    const newId = (id: string): string[] => {
      const state = mapping.newState(id);
      if (state !== undefined) return [state.id];
      this.#issue('history-gone', id, 'the run remembers this state, which does not exist any more: map it to one that does');
      return [];
    };
    for (const [id, remembered] of Object.entries(before.history ?? {})) {
      for (const kept of newId(id)) this.history[kept] = remembered.flatMap(newId);
    }
  }

  #keepActivities(): void {
    const { before, activityIds, active, machine } = this.#options;
    const invoked = new Map(active.flatMap(({ invoke }) => invoke.map((invocation) => [invocation.id, String(invocation.src)])));
    for (const [oldId, activity] of Object.entries(before.activities ?? {})) {
      const renamed = activityIds.get(oldId);
      const id = renamed ?? oldId;
      const src = invoked.get(id);
      if (Object.hasOwn(this.activities, id)) this.#issue('activity-twice', id, 'two activities of the run would be this one');
      else if (src !== undefined) {
        this.activities[id] = { ...activity, src };
        if (src !== activity.src && !activity.finished && renamed === undefined)
          this.#issue('activity-changed', id, `it was '${activity.src}' and is '${src}' now: ${this.#sameWork(oldId, id)}`);
      } else if (!activity.finished) {
        if (!(activity.src in implementationsOf(machine).actors))
          this.#issue('activity-gone', oldId, `nothing does '${activity.src}' any more: ${this.#sameWork(oldId, 'new id')}`);
        else if (!active.some((node) => hearsResultOf(node, id)))
          this.#issue('result-unheard', oldId, `its state does not take its result any more: ${this.#sameWork(oldId, 'new id')}`);
        else this.activities[id] = activity;
      }
    }
  }

  #sameWork(oldId: string, newId: string): string {
    return `if it is the same work, name it in \`activities\` ('${oldId}': '${newId}'); else ${SIDE_BY_SIDE}`;
  }

  #startMissing(): void {
    const { active, mapping, activityIds, context } = this.#options;
    for (const node of active) {
      const stoppedOnPurpose = new Set(mapping.formerly(node).flatMap(({ invoke }) => invoke.map(({ id }) => activityIds.get(id) ?? id)));
      for (const { id, src, input, systemId } of node.invoke) {
        if (Object.hasOwn(this.activities, id) || stoppedOnPurpose.has(id)) continue;
        if (this.#mayBeOld('activity-missing', id, `its state '${nameOf(node)}' does this activity, and the run has not begun it`))
          continue;
        const given = this.#evaluated('input', id, input, { context, event: unknown('event'), self: unknown('self') });
        if (given === FAILED) continue;
        const activity = { src: String(src), visit: ++this.visits, ...(systemId === undefined ? {} : { systemId }) };
        this.activities[id] = given === undefined ? activity : { ...activity, input: given as Json };
      }
    }
  }

  #keepTimers(): void {
    const { before, mapping, active, machine, delayNames } = this.#options;
    for (const [oldId, timer] of Object.entries(before.timers ?? {})) {
      if (!isAfterTimer(oldId)) {
        if (isHeardSomewhere(machine, timer.event.type)) this.timers[oldId] = timer;
        else this.#issue('timer-unheard', oldId, `no state takes '${timer.event.type}' any more: ${SIDE_BY_SIDE}`);
        continue;
      }
      const owner = mapping.ownerOf(oldId, before.value);
      if (owner === undefined) {
        this.#issue('timer-unknown', oldId, 'it is not known whose timer this is: give the old machine as `from`, not only its hash');
        continue;
      }
      const { state, delay } = owner;
      const id = state && timerId(delayNames.get(delay) ?? delay, state);
      if (id === undefined || !active.includes(state!) || !state!.transitions.has(id)) {
        const advice = `if another delay stands for it, name that in \`delays\`; else ${SIDE_BY_SIDE}`;
        this.#issue('timer-unheard', oldId, `the run waits for this timer, and its state does not any more: ${advice}`);
      } else if (id in this.timers) this.#issue('timer-twice', id, 'two timers of the run would be this one');
      else this.timers[id] = { ...timer, event: { ...timer.event, type: id } };
    }
  }

  #armMissing(): void {
    const { active, mapping, delayNames, machine, context, environment } = this.#options;
    const { delays } = implementationsOf(machine);
    for (const node of active) {
      const old = mapping.formerly(node).flatMap(({ after }) => after.map(({ delay }) => String(delay)));
      const firedBefore = new Set(old.map((delay) => delayNames.get(delay) ?? delay));
      for (const delay of new Set(node.after.map((transition) => transition.delay))) {
        const id = timerId(String(delay), node);
        if (id in this.timers || firedBefore.has(String(delay))) continue;
        if (this.#mayBeOld('timer-missing', id, `its state '${nameOf(node)}' has this timer, and the run does not`)) continue;
        const given = typeof delay === 'string' ? delays[delay] : delay;
        const delayMs = this.#evaluated('delay', id, given, { context, event: unknown('event'), self: unknown('self') });
        if (delayMs === FAILED) continue;
        if (typeof delayMs !== 'number' || !Number.isFinite(delayMs)) this.#issue('delay-invalid', id, `its delay is ${delayMs}`);
        else {
          const dueAt = instant(environment.at + Math.max(0, Math.round(delayMs)));
          this.timers[id] = { visit: ++this.visits, dueAt, event: { type: id } };
        }
      }
    }
  }

  /** A timer that is not there may have fired, an activity may have been stopped, or neither ever was. Only the old machine tells. */
  #mayBeOld(rule: string, at: string, detail: string): boolean {
    if (this.#options.mapping.knowsOld) return false;
    this.#issue(rule, at, `${detail}: give the old machine as \`from\`, not only its hash, so that what is new is known and can be begun`);
    return true;
  }

  #evaluated(what: string, at: string, given: unknown, args: object): unknown {
    try {
      const value: unknown = typeof given === 'function' ? given(args) : given;
      const lost = value === undefined || what === 'delay' ? undefined : firstNonJson(value);
      if (lost === undefined) return value;
      this.#issue(`${what}-invalid`, at, `its ${what} is not JSON (${lost})`);
    } catch (thrown) {
      this.#issue(`${what}-unknown`, at, `its ${what} cannot be worked out: ${messageOf(thrown)}`);
    }
    return FAILED;
  }

  #issue(rule: string, at: string, detail: string): void {
    this.issues.push(error(rule, at, detail));
  }
}

const FAILED = Symbol('there is an issue');

const nameOf = (node: AnyStateNode): string => node.path.join('.') || node.id;
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

const hearsResultOf = ({ transitions }: AnyStateNode, id: string): boolean =>
  transitions.has(`xstate.done.actor.${id}`) || transitions.has(`xstate.error.actor.${id}`) || transitions.has('*');

/** Not only in the present states: an event that was raised for later may be for a state to come. */
const isHeardSomewhere = (machine: AnyStateMachine, eventType: string): boolean =>
  [...statesOf(machine)].some(({ transitions }) =>
    [...transitions.keys()].some((heard) => heard === eventType || (heard.endsWith('*') && eventType.startsWith(heard.slice(0, -1)))),
  );

/** Stands where there is nothing: code that looks at it would have to guess. */
function unknown(what: string): object {
  const refuse = () => {
    throw new TypeError(`it depends on the ${what}, and no ${what} leads into an adopted state`);
  };
  return new Proxy({}, { get: refuse, has: refuse, ownKeys: refuse, getOwnPropertyDescriptor: refuse });
}
