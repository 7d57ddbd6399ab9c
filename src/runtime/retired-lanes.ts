/**
 * Lanes that a job type had in an earlier deployment and does not have any more. What was accepted for them is still carried out, with
 * the limit they had; when nothing is left and nobody else asks for more, as processes of the earlier deployment do, they go. From then
 * on a command for them is one that nobody takes, and becomes a dead letter with the reason.
 */
import { type Lane, laneLimits } from '../domain/job-type.ts';
import type { RunnableJobType } from './job-types.ts';
import type { LaneInUse, LeaseFeed, LeaseSource, Log } from './ports.ts';

export interface RetiredLanesOptions {
  readonly jobTypes: readonly RunnableJobType[];
  readonly leases: LeaseSource;
  readonly log: Log;
  readonly open: (jobType: RunnableJobType, lane: Lane, limit: number) => Promise<LeaseFeed>;
  /** One request each time. @default 5000 */
  readonly lookEveryMs?: number;
}

export class RetiredLanes {
  readonly #options: RetiredLanesOptions;
  readonly #feeds = new Map<string, LeaseFeed>();
  #looking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: RetiredLanesOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#look();
    this.#timer = setInterval(() => {
      this.#looking = this.#looking
        .then(() => this.#look())
        .catch((error: unknown) => this.#options.log.debug({ err: error }, 'looking for retired lanes failed; trying again'));
    }, this.#options.lookEveryMs ?? 5_000).unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true; // what is being looked for may take as long as a server that is away
    clearInterval(this.#timer);
    await Promise.all([...this.#feeds.values()].map((feed) => feed.stop()));
  }

  async #look(): Promise<void> {
    for (const found of await this.#options.leases.lanesInUse()) {
      const jobType = this.#options.jobTypes.find(({ id }) => id === found.jobType);
      if (jobType !== undefined && !laneLimits(jobType.definition).has(found.lane)) await this.#serve(jobType, found);
    }
  }

  async #serve(jobType: RunnableJobType, { lane, limit, left, polled }: LaneInUse): Promise<void> {
    if (this.#stopped) return;
    const { leases, log, open } = this.#options;
    const key = `${jobType.id}.${lane}`;
    const feed = this.#feeds.get(key);
    if (left > 0) {
      if (feed !== undefined) return;
      log.info({ jobType: jobType.id, lane, left }, 'the job type does not have this lane any more; carrying out what is left in it');
      const opened = await open(jobType, lane, limit);
      this.#feeds.set(key, opened);
      if (this.#stopped) await opened.stop();
    } else if (feed !== undefined) {
      this.#feeds.delete(key);
      await feed.stop();
    } else if (!polled) {
      await leases.removeLane(jobType.id, lane);
      log.info({ jobType: jobType.id, lane }, 'a lane that the job type does not have any more is empty, and removed');
    }
  }
}
