/** Goes through what one macrostep listed and keeps what is left of it: who is started, what is armed, what is said to whom. */
import { instant } from '../ids.ts';
import { type Effect, SELF } from './effect.ts';
import type { TransitionEnvironment } from './environment.ts';
import type { InertReference } from './inert-scope.ts';
import type { Json } from './json.ts';
import type { ActorReference, RawAction } from './raw-action.ts';
import type { ArmedTimer, Snapshot, StartedActivity } from './snapshot.ts';
import { without } from './without.ts';

/** What the snapshot kept before the event, with the activity or timer that the event came from already taken account of. */
export interface Kept {
  readonly activities?: Snapshot['activities'] | undefined;
  readonly timers?: Snapshot['timers'] | undefined;
  readonly visits: number;
}

type Listed<Type extends RawAction['type']> = Extract<RawAction, { type: Type }>;

export class VisitLedger {
  activities: Record<string, StartedActivity>;
  timers: Record<string, ArmedTimer>;
  /** Messages, logs and custom actions, in order. */
  readonly messages: Effect[] = [];
  /** The last visit handed out. */
  visits: number;
  readonly #environment: TransitionEnvironment;
  /** Few enough to search, and mostly nobody does: cheaper than a map. */
  readonly #started: { readonly reference: ActorReference; readonly visit: number }[] = [];
  /** Corrections to make once the whole macrostep is known. */
  readonly #addressing: (() => void)[] = [];

  constructor(before: Kept, environment: TransitionEnvironment) {
    this.activities = { ...before.activities };
    this.timers = { ...before.timers };
    this.visits = before.visits;
    this.#environment = environment;
  }

  record(action: RawAction): void {
    switch (action.type) {
      case 'xstate.spawnChild':
        this.#start(action.params);
        return;
      case 'xstate.stopChild':
        if (action.params !== undefined) this.activities = without(this.activities, action.params.id);
        return;
      case 'xstate.raise':
        // Without a delay it was consumed inside the macrostep.
        if (action.params.delay !== undefined) this.#arm(action.params, action.params.delay);
        return;
      case 'xstate.cancel':
        this.timers = without(this.timers, action.params.sendId);
        return;
      case 'xstate.sendTo':
        this.#send(action.params);
        return;
      case 'xstate.emit':
        this.messages.push({ type: 'emit', event: action.params.event });
        return;
      case 'xstate.log':
        this.messages.push({
          type: 'log',
          ...(action.params.label ? { label: action.params.label } : {}),
          value: action.params.value as Json,
        });
        return;
      case 'custom':
        this.messages.push({
          type: 'runAction',
          name: action.name,
          ...(action.params === undefined ? {} : { params: action.params as Json }),
          event: action.event,
        });
    }
  }

  /**
   * Decides which visit each message is for. By identity and only at the end: an entry action may address an actor that its state
   * starts after it.
   */
  settle(): void {
    for (const address of this.#addressing) address();
  }

  #start({ actorRef, src, input, systemId }: Listed<'xstate.spawnChild'>['params']): void {
    const visit = ++this.visits;
    this.#started.push({ reference: actorRef, visit });
    const activity: { src: string; visit: number; input?: Json; systemId?: string } = { src, visit };
    if (input !== undefined) activity.input = input as Json;
    if (systemId) activity.systemId = systemId;
    this.activities[actorRef.id] = activity;
  }

  /** Arming an id that is still pending replaces it; XState would leave the first timer running and out of reach. */
  #arm({ event, id: given }: Pick<Listed<'xstate.raise'>['params'], 'event' | 'id'>, delayMs: number, to?: ActorReference): void {
    const visit = ++this.visits;
    const id = given ?? `~${visit}`;
    if (!Number.isFinite(delayMs)) throw new TypeError(`the delay of timer '${id}' is ${delayMs}`);
    const dueAt = instant(this.#environment.at + Math.max(0, Math.round(delayMs)));
    if (to === undefined) {
      this.timers[id] = { visit, dueAt, event };
      return;
    }
    this.timers[id] = { visit, dueAt, event, to: to.id };
    this.#addressing.push(() => {
      const toVisit = this.#visitOf(to);
      const armed = this.timers[id];
      if (armed?.visit === visit && toVisit !== undefined) this.timers[id] = { ...armed, toVisit };
    });
  }

  #send({ to, event, id, delay }: Listed<'xstate.sendTo'>['params']): void {
    const addressee = to === undefined || to.id === SELF ? undefined : to;
    if (delay !== undefined) {
      this.#arm({ event, id }, delay, addressee);
      return;
    }
    const place = this.messages.push({ type: 'send', to: addressee?.id ?? SELF, event }) - 1;
    if (addressee === undefined) return;
    this.#addressing.push(() => {
      const visit = this.#visitOf(addressee);
      if (visit !== undefined) this.messages[place] = { type: 'send', to: addressee.id, visit, event };
    });
  }

  /** Undefined for actors outside of this statechart, e.g. its parent. */
  #visitOf(reference: ActorReference): number | undefined {
    return (
      this.#started.find((started) => started.reference === reference)?.visit ?? ((reference as Partial<InertReference>).visit || undefined)
    );
  }
}
