/** Looking into schedules: what became of occurrences and why, and what is to come. */
import { NotFoundError } from '../domain/errors.ts';
import type { Instant, JobTypeId, RunId, ScheduleId } from '../domain/ids.ts';
import { type JobType, laneLimits } from '../domain/job-type.ts';
import { BackfillPlan } from '../domain/schedule/backfill.ts';
import { type Durations, type Forecast, forecast } from '../domain/schedule/forecast.ts';
import type { Fate } from '../domain/schedule/ledger.ts';
import { type PreviewRow, preview } from '../domain/schedule/preview.ts';
import type { ScheduleState } from '../domain/schedule/schedule.ts';
import { recordedStandstills, type StandstillState } from '../domain/schedule/standstill.ts';
import { Inquiry, type Why } from '../domain/schedule/why.ts';
import { type NamedRun, whyText } from '../domain/schedule/why-text.ts';
import { type PlannedBackfill, viewOfBackfill } from './backfill-view.ts';
import type { Clock, RunHistory, RunLog, ScheduleLog, StandstillLog } from './ports.ts';
import { runDurations } from './run-durations.ts';
import { viewOf } from './run-view.ts';
import { readEvent, type ScheduleOperations } from './schedule-operations.ts';
import { iso, type LedgerRow, ledgerRows, type ScheduleDescription, viewOfSchedule, writtenSpec } from './schedule-view.ts';

export interface ScheduleInspectionOptions {
  readonly jobTypes: readonly JobType[];
  readonly operations: ScheduleOperations;
  readonly schedules: Pick<ScheduleLog, 'read'>;
  readonly standstills: Pick<StandstillLog, 'read'>;
  readonly runs: Pick<RunLog, 'last'>;
  readonly history: Pick<RunHistory, 'read'>;
  readonly clock: Clock;
}
export interface Explanation {
  readonly why: Why;
  /** Those that the answer names, as they are now. */
  readonly runs: ReadonlyMap<RunId, NamedRun>;
  /** The chain in plain words. */
  readonly lines: readonly string[];
}
export interface Outlook extends Forecast {
  readonly durations: ReadonlyMap<JobTypeId, Durations>;
}

/** What describing a schedule counts. */
const COUNTED_MS = 30 * 86_400_000;
const SHOWN_NEXT = 10;

export class ScheduleInspection {
  readonly #options: ScheduleInspectionOptions;

  constructor(options: ScheduleInspectionOptions) {
    this.#options = options;
  }

  /** @throws {NotFoundError} There is no such schedule. */
  async describe(id: ScheduleId): Promise<ScheduleDescription> {
    const { operations, clock, schedules } = this.#options;
    const state = await operations.state(id);
    const standstill = await operations.standstill();
    const now = clock.now();
    const since = Math.max(0, now - COUNTED_MS) as Instant;
    const fates: Partial<Record<Fate, number>> = {};
    let stretches = 0;
    let last: LedgerRow | undefined;
    await schedules.read(
      id,
      ({ bytes }) => {
        const event = readEvent(bytes);
        if (event === undefined) return;
        stretches += event.data.stretches.length;
        for (const { fate } of event.data.entries) fates[fate] = (fates[fate] ?? 0) + 1;
        last = ledgerRows(event).at(-1) ?? last;
      },
      since,
    );
    const { jobType } = state.spec;
    const running = state.running.map(async ({ runId, dueAt }) => {
      const run = await this.#run(jobType, runId);
      return { runId, dueAt: iso(dueAt), state: run?.state ?? null, outcome: run?.outcome ?? null };
    });
    const lastRun = last && (last.runId ?? last.because);
    return {
      ...viewOfSchedule(state, standstill, now),
      next10: state.status === 'active' && standstill === undefined ? this.#upcoming(state, SHOWN_NEXT).map(shownRow) : [],
      last: last ? { ...last, outcome: (lastRun && (await this.#run(jobType, lastRun))?.outcome) ?? null } : null,
      running: await Promise.all(running),
      failures: state.failures,
      counts: { since: iso(since), ...fates, stretches },
      spec: writtenSpec(state.spec),
    };
  }

  /** @throws as {@link describe} */
  async next(id: ScheduleId, count: number): Promise<{ state: ScheduleState; rows: PreviewRow[] }> {
    const state = await this.#options.operations.state(id);
    return { state, rows: this.#upcoming(state, count) };
  }

  #upcoming({ spec, id, decidedUntil }: ScheduleState, count: number): PreviewRow[] {
    const after = Math.max(this.#options.clock.now(), decidedUntil) as Instant;
    return preview(spec.timing, after, count, id);
  }

  /**
   * What became of the occurrences that were due then, in the order in which that was decided. Of a schedule that was deleted, too.
   * @param onRow Told one by one: a ledger may be long.
   * @throws as {@link describe}
   */
  async ledger(
    id: ScheduleId,
    span: { since?: Instant | undefined; until?: Instant | undefined },
    onRow: (row: LedgerRow) => void,
  ): Promise<void> {
    const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = span;
    let known = false;
    await this.#options.schedules.read(id, ({ bytes }) => {
      const event = readEvent(bytes);
      known ||= event !== undefined;
      for (const row of event ? ledgerRows(event) : []) {
        if (Date.parse(row.to ?? row.dueAt) >= since && Date.parse(row.dueAt) <= until) onRow(row);
      }
    });
    if (!known) throw neverWas(id);
  }

  /**
   * What a backfill of that time would start, both ends included, and what not.
   * @throws as {@link describe}; {@link InvalidCommandError} There are too many, or the end is before the beginning.
   */
  async planBackfill(id: ScheduleId, { from, to }: { readonly from: Instant; readonly to: Instant }): Promise<PlannedBackfill> {
    const { operations, schedules, jobTypes } = this.#options;
    const state = await operations.state(id);
    const plan = new BackfillPlan(id, from, to);
    await schedules.read(id, ({ bytes }) => {
      const event = readEvent(bytes);
      if (event !== undefined) plan.hear(event);
    });
    const jobType = jobTypes.find((known) => known.id === state.spec.jobType);
    return viewOfBackfill(state, plan.slots(), new Set(jobType && laneLimits(jobType).keys()));
  }

  /** Why a run was or was not started at that time. @throws as {@link describe}, of one that never was */
  async why(id: ScheduleId, at: Instant): Promise<Explanation> {
    const inquiry = new Inquiry(at);
    let last: ScheduleState | undefined;
    await this.#options.schedules.read(id, ({ bytes }) => {
      const event = readEvent(bytes);
      if (event === undefined) return;
      inquiry.hear(event);
      last = event.data.state;
    });
    if (last === undefined) throw neverWas(id);
    const standstills: StandstillState[] = [];
    await this.#options.standstills.read(({ state }) => standstills.push(state));
    const why = inquiry.answer(this.#options.clock.now(), recordedStandstills(standstills));
    const { jobType } = (why.inForce?.state ?? last).spec;
    const runs = new Map<RunId, NamedRun>();
    for (const runId of namedIn(why)) runs.set(runId, (await this.#run(jobType, runId)) ?? null);
    return { why, runs, lines: whyText(id, why, runs) };
  }

  /** What all schedules would do. @param resumed As if they were not all paused. */
  async outlook({ resumed, ...span }: { readonly from: Instant; readonly until: Instant; readonly resumed?: boolean }): Promise<Outlook> {
    const { operations, history, clock } = this.#options;
    const states = await operations.states();
    const durations = new Map<JobTypeId, Durations>();
    for (const jobType of new Set(states.map(({ spec }) => spec.jobType))) {
      const known = await runDurations(history, jobType, clock.now());
      if (known !== undefined) durations.set(jobType, known);
    }
    const standstill = resumed ? undefined : await operations.standstill();
    return { ...forecast(states, durations, { ...span, standstill }), durations };
  }

  async #run(jobType: JobTypeId, runId: RunId): Promise<NamedRun | undefined> {
    const last = await this.#options.runs.last(jobType, runId, 'fast');
    return last && viewOf(last, undefined);
  }
}

function namedIn({ decisions, triggered, open }: Why): Set<RunId> {
  const named = [
    ...decisions.flatMap(({ runId, because }) => [runId, because]),
    triggered?.occurrence.runId,
    open?.kind === 'waiting' ? open.behind : undefined,
  ];
  return new Set(named.filter((id) => id !== undefined));
}

const shownRow = ({ dueAt, local, notes }: PreviewRow) => ({ dueAt: iso(dueAt), local, notes });
const neverWas = (id: ScheduleId) => new NotFoundError(`there is no schedule ${id}; see almanac schedule list`);
