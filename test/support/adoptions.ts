/** Small machines with activities and timers, runs of them, and what becomes of these runs on another machine. */

import { type AnyStateMachine, createMachine } from 'xstate';
import { type Adoption, adoptRun } from '../../src/domain/adoption.ts';
import { AdoptionRefusedError } from '../../src/domain/errors.ts';
import { instant, type JobTypeId, type RunId, type Sequence } from '../../src/domain/ids.ts';
import { advanceRun, type Run, runAfter, startRun } from '../../src/domain/run.ts';
import { parseRunEvent } from '../../src/domain/run-event.ts';
import { resolvePolicy } from '../../src/domain/run-policy.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { foldable } from '../../src/domain/statechart/fold.ts';

// biome-ignore lint/suspicious/noExplicitAny: configurations of machines, written for these tests and read by XState
export type Config = any;

export const START = Date.UTC(2026, 0, 1);
export const MINUTE = 60_000;
export const factsAt = (minute: number, delivery = 1) => ({
  eventId: `event-${minute}`,
  at: instant(START + minute * MINUTE),
  source: '/almanac/test',
  lease: { command: 7, delivery, term: 1 },
  parkAfterMs: 5_000,
});

const DELAYS = { limitMs: 10 * MINUTE, otherMs: 5 * MINUTE };
export const definition = (states: Config, more: Config = {}, actors = ['fetch', 'store', 'audit']): AnyStateMachine =>
  createMachine({ id: 'job', context: { url: 'a' }, initial: Object.keys(states)[0], ...more, states } as never, {
    actors: Object.fromEntries(actors.map((src) => [src, activity()])) as never,
    delays: { ...DELAYS, ...more.delays },
    guards: { isReady: ({ context }: Config) => context.ready === true, throws: ({ context }: Config) => context.gone.there },
    actions: more.actions,
  });
export const invoke = (id: string, src = id, more: Config = {}) => ({ id, src, onDone: 'end', onError: 'end', ...more });
export const end = { type: 'final' };

/** The run of a machine after it has heard these events. */
export function runOn(machine: AnyStateMachine, ...heard: Config[]): Run {
  const statechart = foldable(machine);
  const request = { jobType: 'job' as JobTypeId, runId: 'r1' as RunId, input: {}, policy: resolvePolicy() };
  let decision = startRun(statechart, request, factsAt(0));
  const stored = () => runAfter(request.jobType, request.runId, parseRunEvent(decision.bytes), decision.bytes, 1 as Sequence);
  for (const each of heard) {
    const stimulus = 'kind' in each ? each : { kind: 'event', event: each };
    decision = advanceRun(statechart, stored(), stimulus, factsAt(1))!;
  }
  return stored();
}
export const adopt = (run: Run, to: AnyStateMachine, adoption: Partial<Adoption> = {}) =>
  adoptRun(foldable(to), { from: run.definition, ...adoption }, run, factsAt(2, 2));
export const snapshotAfter = (...args: Parameters<typeof adopt>) => adopt(...args).event.data.snapshot;
export function issuesOf(...args: Parameters<typeof adopt>): readonly string[] {
  try {
    adopt(...args);
  } catch (error) {
    if (error instanceof AdoptionRefusedError) return error.issues;
    throw error;
  }
  throw new Error('it was adopted');
}

/** Waits for an activity, at most for a time. */
export const before = definition({ waiting: { invoke: invoke('fetch'), after: { limitMs: 'end' }, on: { go: 'end' } }, end });
export const run = runOn(before);
