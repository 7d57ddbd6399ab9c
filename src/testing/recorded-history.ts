/** The events of one run as the log would hold them. Each is folded again when it is added, by a statechart that knows nothing of the run. */
import { VersionConflictError } from '../domain/errors.ts';
import type { Sequence } from '../domain/ids.ts';
import { parseRunEvent } from '../domain/run-event.ts';
import { verifyNext } from '../domain/verify-history.ts';
import type { RunnableJobType } from '../runtime/job-types.ts';
import type { Clock, RunHistory, RunLog, StoredRunEvent } from '../runtime/ports.ts';

export class RecordedHistory implements RunLog, Pick<RunHistory, 'read'> {
  readonly stored: StoredRunEvent[] = [];
  readonly #clock: Clock;
  readonly #statecharts: RunnableJobType['registered'][] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param jobType Compiled for this alone, so that nothing a holder remembers plays a part. */
  verifyBy({ registered }: RunnableJobType): void {
    this.#statecharts.unshift(registered);
  }

  /**
   * @throws {HistoryMismatchError} The fold gives something else than what was decided: the statechart's code asks the clock, draws lots or
   * remembers something by itself.
   */
  async append(...[jobType, runId, , bytes, expected]: Parameters<RunLog['append']>): Promise<Sequence> {
    const before = this.stored.at(-1);
    if ((before?.sequence ?? 0) !== expected) throw new VersionConflictError(`${jobType}/${runId}`, expected);
    const event = parseRunEvent(bytes);
    const known = this.#statecharts.find((registered) => registered.has(event.data.definition));
    verifyNext(known?.get(event.data.definition)?.statechart, before, { event, bytes });
    const sequence = (expected + 1) as Sequence;
    this.stored.push({ jobType, runId, sequence, storedAt: this.#clock.now(), event, bytes });
    return sequence;
  }

  async last(): Promise<StoredRunEvent | undefined> {
    return fromBytes(this.stored.at(-1));
  }

  async first(): Promise<StoredRunEvent | undefined> {
    return fromBytes(this.stored[0]);
  }

  async read({ since = 0 as never }: Parameters<RunHistory['read']>[0], onEvent: Parameters<RunHistory['read']>[1]): Promise<void> {
    for (const stored of this.stored) if (stored.storedAt >= since && (await onEvent(stored)) === 'stop') return;
  }
}

const fromBytes = (stored: StoredRunEvent | undefined): StoredRunEvent | undefined =>
  stored && { ...stored, event: parseRunEvent(stored.bytes) };
