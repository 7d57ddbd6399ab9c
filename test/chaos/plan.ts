/** What happens in a chaos run, from its seed alone: which runs are started, what goes wrong, with whom, and after how many events. */

import type { Lane } from '../../src/domain/job-type.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { type ChaosJobType, MAX_ATTEMPTS, type Work } from './jobs.ts';

export interface PlannedSignal {
  readonly type: 'cancel' | 'pause' | 'resume' | 'retry' | 'note' | 'go' | 'restart';
  /** Sent so many runs later than the turn of its own one: that may be queued, waiting, at work or at its end by then. */
  readonly after: number;
  /** Sent again at once under the same message id. */
  readonly twice: boolean;
}

export interface PlannedRun {
  readonly jobType: ChaosJobType;
  readonly runId: string;
  readonly input: Work;
  readonly lane: Lane;
  /** More than one where a race decides. */
  readonly outcomes: readonly string[];
  readonly signals: readonly PlannedSignal[];
  /** Its command is sent so many runs later than its turn. */
  readonly late: number;
  /** Its command is sent again: at once under the same message id, and so many runs later under another one. */
  readonly repeats: { readonly atOnce: boolean; readonly after: number | null };
}

export type Fault =
  | { readonly kind: 'kill' | 'end' | 'cut'; readonly worker: number }
  | { readonly kind: 'stop' | 'partition'; readonly worker: number; readonly ms: number }
  | { readonly kind: 'delay'; readonly worker: number; readonly ms: number; readonly delayMs: number }
  | { readonly kind: 'restart'; readonly signal: 'SIGTERM' | 'SIGKILL' }
  | { readonly kind: 'slow disk'; readonly bursts: readonly { readonly stopMs: number; readonly goMs: number }[] }
  | { readonly kind: 'jump'; readonly worker: number; readonly byMs: number; readonly othersFollowMs: number };

export interface PlannedFault {
  /** So many events after the one before it. */
  readonly afterEvents: number;
  readonly fault: Fault;
}

/** How often each kind of fault comes, in relation to the others. */
export type Mix = Record<Fault['kind'], number>;
export const EVERYTHING: Readonly<Mix> = {
  kill: 35,
  stop: 20,
  end: 6,
  cut: 8,
  partition: 6,
  delay: 6,
  restart: 6,
  'slow disk': 5,
  jump: 8,
};
export const MOSTLY_KILLS: Readonly<Mix> = {
  kill: 90,
  stop: 4,
  end: 2,
  cut: 1,
  partition: 0,
  delay: 1,
  restart: 1,
  'slow disk': 0,
  jump: 1,
};

export const WORKERS = 3;

const JOB_MIX: Readonly<Record<ChaosJobType, number>> = {
  'chaos-one': 30,
  'chaos-steps': 25,
  'chaos-parallel': 15,
  'chaos-short': 12,
  'chaos-narrow': 6,
  'chaos-failing': 6,
  'chaos-patient': 6,
  'chaos-told': 12,
};
const LANE_MIX: Readonly<Record<Lane, number>> = { high: 2, normal: 5, low: 3 };
/** Within so many runs most are done. */
const LATEST_SIGNAL = 120;
/** What a job type listens to, beside `cancel`; a pause is followed by a resume. */
const LISTENS_TO: Readonly<Record<ChaosJobType, readonly ('pause' | 'retry' | 'note' | 'go')[]>> = {
  'chaos-one': ['pause', 'retry'],
  'chaos-steps': ['pause', 'retry'],
  'chaos-narrow': ['pause'],
  'chaos-failing': ['pause', 'retry'],
  'chaos-parallel': [],
  'chaos-short': [],
  'chaos-patient': [],
  'chaos-told': ['note', 'note', 'go'],
};

export function plannedRun(seed: string, index: number, patientMs: { readonly from: number; readonly to: number }): PlannedRun {
  const random = new SeededRandom(`${seed} run ${index}`);
  const between = (from: number, to: number) => from + random.int(to - from + 1);
  const jobType = weighted(JOB_MIX, random);
  const failures: Record<string, number> = {};
  if (jobType === 'chaos-steps' || jobType === 'chaos-one') {
    for (const step of jobType === 'chaos-one' ? ['only'] : ['first', 'second', 'third']) {
      if (random.chance(0.25)) failures[step] = between(1, MAX_ATTEMPTS);
    }
  }
  const exhausted = Object.values(failures).some((times) => times >= MAX_ATTEMPTS);
  const ms = jobType === 'chaos-narrow' ? between(5, 40) : random.chance(0.1) ? between(100, 800) : between(1, 30);
  const delayMs = jobType === 'chaos-patient' || jobType === 'chaos-told' ? between(patientMs.from, patientMs.to) : between(20, 400);
  const outcome = exhausted || jobType === 'chaos-failing' ? 'failed' : 'succeeded';
  const signals = plannedSignals(seed, index, jobType, outcome);
  return {
    jobType,
    runId: `c${index}`,
    input: { ms, failures, delayMs },
    lane: jobType === 'chaos-told' ? weighted(LANE_MIX, random) : 'normal',
    outcomes: signals.some(({ type }) => type === 'cancel') ? [outcome, 'cancelled'] : [outcome],
    signals,
    late: random.chance(0.1) ? between(1, 40) : 0,
    repeats: { atOnce: random.chance(0.08), after: random.chance(0.08) ? between(1, 60) : null },
  };
}

function plannedSignals(seed: string, index: number, jobType: ChaosJobType, outcome: string): PlannedSignal[] {
  const random = new SeededRandom(`${seed} signals ${index}`);
  const signals: PlannedSignal[] = [];
  const add = (type: PlannedSignal['type'], from = 0): number => {
    const after = from + (random.chance(0.3) ? random.int(3) : random.int(LATEST_SIGNAL));
    signals.push({ type, after, twice: random.chance(0.2) });
    return after;
  };
  if (random.chance(jobType === 'chaos-told' ? 0.15 : 0.08)) add('cancel');
  for (const type of LISTENS_TO[jobType]) {
    if (!random.chance(jobType === 'chaos-told' ? 0.7 : 0.1)) continue;
    const after = add(type);
    if (type === 'pause') add('resume', after);
  }
  if (random.chance(outcome === 'failed' || signals.length > 0 ? 0.3 : 0.02)) add('restart', LATEST_SIGNAL / 2);
  return signals;
}

export function plannedFault(seed: string, index: number, mix: Readonly<Mix>, meanEvents: number): PlannedFault {
  const random = new SeededRandom(`${seed} fault ${index}`);
  const between = (from: number, to: number) => from + random.int(to - from + 1);
  const afterEvents = between(1, 2 * meanEvents);
  const kind = weighted(mix, random);
  const worker = random.int(WORKERS);
  return { afterEvents, fault: faultOf(kind) };

  function faultOf(kind: Fault['kind']): Fault {
    switch (kind) {
      case 'kill':
      case 'end':
      case 'cut':
        return { kind, worker };
      case 'stop': // about as long as a lease, shorter or longer
      case 'partition':
        return { kind, worker, ms: between(200, 3_000) };
      case 'delay':
        return { kind, worker, ms: between(500, 2_000), delayMs: between(20, 400) };
      case 'restart':
        return { kind, signal: random.chance(0.5) ? 'SIGKILL' : 'SIGTERM' };
      case 'slow disk':
        return { kind, bursts: Array.from({ length: between(2, 8) }, () => ({ stopMs: between(20, 500), goMs: between(5, 100) })) };
      case 'jump':
        return {
          kind,
          worker,
          byMs: random.chance(0.4) ? -between(1_000, 30_000) : between(1_000, 3_600_000),
          othersFollowMs: between(500, 2_000),
        };
    }
  }
}

function weighted<Name extends string>(weights: Readonly<Record<Name, number>>, random: SeededRandom): Name {
  const entries = Object.entries(weights) as [Name, number][];
  let roll = random.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) {
    roll -= weight;
    if (roll < 0) return name;
  }
  return entries[0]![0];
}
