/**
 * A run moves to another definition of its statechart (invariant 9): its state is mapped, its context made to fit, and everything XState
 * would swallow is looked for first. What is left is one event; nothing old is folded with the new definition.
 */
import type { AnyStateMachine } from 'xstate';
import { AdoptionRefusedError } from './errors.ts';
import { type Decision, type Facts, type Run, seedOf, takeOver } from './run.ts';
import { CarryOver, messageOf } from './statechart/carry-over.ts';
import { configurationOf } from './statechart/configuration.ts';
import { hashOf } from './statechart/definition-hash.ts';
import { withEnvironment } from './statechart/environment.ts';
import { error, type Finding } from './statechart/finding.ts';
import type { FoldableStatechart } from './statechart/fold.ts';
import { firstNonJson, type Json } from './statechart/json.ts';
import type { Snapshot } from './statechart/snapshot.ts';
import { StateMapping, statesByPath } from './statechart/state-mapping.ts';

export interface Adoption {
  /**
   * The definition that runs are taken from: its hash (`almanac job check` shows it), or better its machine. With the machine it is known
   * which activities and timers are new, so that those of the present state can be begun.
   */
  readonly from: string | AnyStateMachine;
  /**
   * Old state → new state, by their keys from the root: `{ 'running.fetch': 'running.download' }`. An entry goes for the states below it,
   * too. A state without an entry has to exist unchanged. No entry or exit action runs: the run is taken to have been there all along.
   */
  readonly states?: Readonly<Record<string, string>>;
  /**
   * Old id → new id of an activity that is the same work under another id or by other code. It keeps its visit and input; its idempotency
   * key changes with the id.
   */
  readonly activities?: Readonly<Record<string, string>>;
  /** Old name → new name of a delay (a number as text), for timers that are armed. They stay due when they were. */
  readonly delays?: Readonly<Record<string, string>>;
  /** Makes the old context a new one. JSON; pure. */
  readonly context?: (old: Json) => Json;
}

/**
 * @throws {AdoptionRefusedError} Something of the run has no place in the new definition. Nothing may be appended.
 */
export function adoptRun(statechart: FoldableStatechart, adoption: Adoption, run: Run, facts: Facts): Decision {
  const environment = { at: facts.at, seed: seedOf(run.jobType, run.runId, run.revision + 1) };
  const { snapshot, issues } = withEnvironment(environment, () => adopted(statechart, adoption, run.snapshot, environment));
  if (issues.length > 0) {
    const reasons = issues.map(({ at, detail }) => `${at}: ${detail}`);
    throw new AdoptionRefusedError(run.jobType, run.runId, run.definition, statechart.definitionHash, reasons);
  }
  return takeOver('almanac.run.adopted', run, { snapshot, definition: statechart.definitionHash }, facts);
}

type Environment = Parameters<typeof withEnvironment>[0];
interface Adopted {
  readonly snapshot: Snapshot;
  readonly issues: readonly Finding[];
}

function adopted(statechart: FoldableStatechart, adoption: Adoption, before: Snapshot, environment: Environment): Adopted {
  const { machine } = statechart;
  const { from, states = {}, activities = {}, delays = {} } = adoption;
  const mapping = new StateMapping(machine, states, typeof from === 'string' ? undefined : from);
  const value = mapping.newValue(before.value);
  const { active, issues: ofStates } = configurationOf(machine, value);
  const upcast = contextOf(adoption, before.context);
  // What should go on in a state is known only once the state is.
  if (ofStates.length > 0 || 'issue' in upcast) {
    return { snapshot: before, issues: [...ofStates, ...('issue' in upcast ? [upcast.issue] : [])] };
  }
  const carried = new CarryOver({
    ...{ machine, mapping, before, context: upcast.context, active, environment },
    activityIds: new Map(Object.entries(activities)),
    delayNames: new Map(Object.entries(delays)),
  });
  const moved: Snapshot = {
    value,
    context: upcast.context,
    status: 'active',
    ...ifAny('history', carried.history),
    ...ifAny('activities', carried.activities),
    ...ifAny('timers', carried.timers),
    visits: carried.visits,
  };
  const issues = [...carried.issues, ...finalStates(active, mapping)];
  if (issues.length > 0) return { snapshot: moved, issues };
  const snapshot = { ...moved, value: statechart.hydrate(moved).value };
  return { snapshot, issues: unsettled(statechart, snapshot, active, environment) };
}

type Upcast = { readonly context: Json } | { readonly issue: Finding };

function contextOf({ context: upcast }: Adoption, before: Json): Upcast {
  if (upcast === undefined) return { context: before };
  try {
    const context = upcast(JSON.parse(JSON.stringify(before)));
    const lost = firstNonJson(context);
    if (lost !== undefined) return { issue: error('context-invalid', 'context', `the new one is not JSON (${lost})`) };
    return { context: JSON.parse(JSON.stringify(context)) };
  } catch (thrown) {
    return { issue: error('context-threw', 'context', `making the new one threw: ${messageOf(thrown)}`) };
  }
}

type States = ReturnType<typeof configurationOf>['active'];

/** Whatever follows from entering a final state would not happen: the run would hang. */
function finalStates(active: States, mapping: StateMapping): Finding[] {
  return active
    .filter((node) => node.type === 'final' && !mapping.formerly(node).some(({ type }) => type === 'final'))
    .map((node) =>
      error('state-final', node.path.join('.'), 'it is a final state, and the run was not known to be in one: map to another'),
    );
}

/** An eventless transition happens at the moment its state is entered; here it would wait for the next event, whatever that is. */
function unsettled(statechart: FoldableStatechart, snapshot: Snapshot, active: States, environment: Environment): Finding[] {
  const eventless = active.filter(({ always = [] }) => always.length > 0);
  const hearsEverything = active.some(({ transitions }) => [...transitions.keys()].some((heard) => heard.endsWith('*')));
  if (eventless.length === 0 || hearsEverything) return [];
  const at = eventless.map(({ path }) => path.join('.')).join(', ');
  try {
    const left = statechart.step(snapshot, { kind: 'event', event: { type: 'adopted' } }, environment);
    return left === undefined
      ? []
      : [error('state-unsettled', at, 'an eventless transition would leave it at once: map to where it leads')];
  } catch (thrown) {
    return [error('state-unsettled', at, `whether it is left at once cannot be told: ${messageOf(thrown)}`)];
  }
}

function ifAny<Key extends string, Item>(key: Key, items: Readonly<Record<string, Item>>): { readonly [K in Key]?: typeof items } {
  return Object.keys(items).length > 0 ? ({ [key]: items } as { [K in Key]: typeof items }) : {};
}

/** What is wrong with a mapping whatever the state of a run: it names what is not there. */
export function problemsOf({ from, states = {}, activities = {}, delays = {} }: Adoption, machine: AnyStateMachine): string[] {
  const problems: string[] = [];
  const hash = hashOf(from);
  if (!/^[\w-]{16}$/.test(hash)) problems.push(`'${hash}' is no hash of a definition: see almanac job check`);
  const old = typeof from === 'string' ? undefined : statesByPath(from);
  const now = statesByPath(machine);
  for (const [before, after] of Object.entries(states)) {
    if (old !== undefined && !old.has(before)) problems.push(`states: the old machine has no state '${before}'`);
    if (!now.has(after)) problems.push(`states: there is no state '${after}' to map '${before}' to`);
  }
  const invoked = new Set([...now.values()].flatMap(({ invoke }) => invoke.map(({ id }) => id)));
  for (const [before, after] of Object.entries(activities))
    if (!invoked.has(after)) problems.push(`activities: no state does '${after}', to which '${before}' is mapped`);
  const waitedFor = new Set([...now.values()].flatMap(({ after }) => after.map(({ delay }) => String(delay))));
  for (const [before, after] of Object.entries(delays))
    if (!waitedFor.has(after)) problems.push(`delays: no state waits for '${after}', to which '${before}' is mapped`);
  return problems.map((problem) => `adopt from ${hash}: ${problem}`);
}
