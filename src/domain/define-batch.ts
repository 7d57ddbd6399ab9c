/** Many items in a few lines: a source lists them, runs of another job type do the work, and never more than a window of these at a time. */
import type { z } from 'zod';
import type { Activities, ActivityContext } from './activity.ts';
import type { CancelInput, ListedPage, ListInput, StartInput } from './batch-ledger.ts';
import { type BatchPlan, batchStatechart } from './batch-statechart.ts';
import { type ChildIds, childIdOf, childIdsOf } from './child-ids.ts';
import type { DefinedJob } from './define-job.ts';
import { JobTypeError, TerminalError } from './errors.ts';
import { jobTypeId } from './ids.ts';
import type { JobType, Lane } from './job-type.ts';
import { DEFAULT_RETRY, problemOf, type RetryPolicy } from './retry.ts';
import type { Json } from './statechart/json.ts';

export interface BatchOptions<Input extends z.ZodType<Json>, Item extends Json> extends Omit<JobType, 'machine'> {
  readonly input: Input;
  /** Job type of the runs that do the work. */
  readonly child: string;
  /** Of the children. @default 'normal' */
  readonly lane?: Lane;
  /** Children that may be unfinished at a time, from 1 to 1000. How many run at once is the child's own `concurrency`. @default 64 */
  readonly window?: number;
  /** @default 1 */
  readonly itemsPerChild?: number;
  /** The largest page that is asked for. Pages are kept in the run's events, so keep them small. @default what fills the window, at most 500 */
  readonly pageItems?: number;
  /**
   * The next page of items: the same page for the same cursor, if it is asked for again after a crash. Items are small, together 16 KiB:
   * refer to what is larger. A `total` makes progress a share.
   */
  list(args: ListArguments<z.output<Input>>, context: ActivityContext): Promise<ListedPage & { readonly items: readonly Item[] }>;
  /** Input of a child: the same for the same items. @default the item itself, or `{ items }` where a child gets several */
  childInput?(items: readonly Item[], input: z.output<Input>): Json;
  /** More failed items than this end the batch as `failed` at once, and its children are cancelled. @default any number may fail */
  readonly maxFailures?: number;
  /** The same as a share of all items, from 0 to 1; tells as soon as their number is known. @default 1 */
  readonly maxFailureShare?: number;
  /** Of listing, and of starting and cancelling children. */
  readonly retry?: Partial<RetryPolicy>;
  /** Of the whole run, pauses included; then it ends as `timedOut`. @default 24 hours */
  readonly timeoutMs?: number;
  /** Of one attempt to list a page or to start children. @default 5 minutes */
  readonly attemptTimeoutMs?: number;
  /** How long a batch that ends before its time waits for the children it has cancelled. @default 30 seconds */
  readonly cancelGraceMs?: number;
}

export interface ListArguments<Input> {
  readonly input: Input;
  /** `next` of the page before; null for the first one. */
  readonly cursor: string | null;
  /** Return no more items than this. */
  readonly limit: number;
}

const MAX_WINDOW = 1_000;
const DEFAULT_PAGE_ITEMS = 500;
/** A batch of ten billion children. */
const LONGEST_NUMBER = 10;

/**
 * Ends as `succeeded`, as `completedWithErrors` when items have failed that may, or as `failed`, `cancelled` or `timedOut`. Its output has
 * `done`, `failed` and `total`, in items, and the first 20 `failures`. It listens to `pause`, `resume` and `cancel`.
 *
 * @throws {InvalidIdError} An id is no token of a subject.
 * @throws {JobTypeError} A number is out of range.
 */
export function defineBatch<Input extends z.ZodType<Json>, Item extends Json>(options: BatchOptions<Input, Item>): DefinedJob {
  const { child, lane, window, itemsPerChild, pageItems, list, childInput, maxFailures, maxFailureShare, ...rest } = options;
  const { retry, timeoutMs, attemptTimeoutMs, cancelGraceMs, ...jobType } = rest;
  jobTypeId(options.id); // it is part of the names of states, too
  const inputOf = (items: readonly Item[], { input, itemsPerChild }: StartInput): Json => {
    if (childInput !== undefined) return childInput(items, input as z.output<Input>); // its schema has made it so
    return itemsPerChild === 1 ? items[0]! : { items };
  };
  const startOf = (number: number, items: readonly Json[], start: StartInput) => ({
    jobType: child,
    runId: childIdOf(start.childIds, number),
    input: inputOf(items as readonly Item[], start),
    ...(lane && { lane }),
  });
  const activities: Activities = {
    openBatch: async (_: undefined, context): Promise<ChildIds> => childIdsOf(context, LONGEST_NUMBER),
    async listItems(args: ListInput, context): Promise<ListedPage> {
      const page = await list(args as ListArguments<z.output<Input>>, context);
      refuseEndless(page, args);
      return page;
    },
    async startChildren(start: StartInput, { children }): Promise<null> {
      const { first, items, itemsPerChild } = start;
      const count = Math.ceil(items.length / itemsPerChild);
      const itemsOf = (index: number) => items.slice(index * itemsPerChild, (index + 1) * itemsPerChild);
      await children.start(Array.from({ length: count }, (_, index) => startOf(first + index, itemsOf(index), start)));
      return null;
    },
    async cancelChildren({ childIds, children: numbers, why }: CancelInput, { children }): Promise<null> {
      const outstanding = numbers.map((number) => ({ jobType: child, runId: childIdOf(childIds, number) }));
      await children.cancel(outstanding, `the batch ends as ${why}`);
      return null;
    },
  };
  return { jobType: { ...jobType, machine: batchStatechart(options.id, planOf(options)) }, activities };
}

function planOf<Input extends z.ZodType<Json>, Item extends Json>(options: BatchOptions<Input, Item>): BatchPlan {
  const { id, window = 64, itemsPerChild = 1, maxFailures = Number.POSITIVE_INFINITY, maxFailureShare = 1 } = options;
  const { timeoutMs = 24 * 3_600_000, attemptTimeoutMs = 5 * 60_000, cancelGraceMs = 30_000 } = options;
  const { pageItems = Math.max(itemsPerChild, Math.min(window * itemsPerChild, DEFAULT_PAGE_ITEMS)) } = options;
  const plan: BatchPlan = {
    child: jobTypeId(options.child),
    window,
    itemsPerChild,
    pageItems,
    maxFailures,
    maxFailureShare,
    retry: { ...DEFAULT_RETRY, ...options.retry },
    timeoutMs,
    attemptTimeoutMs,
    cancelGraceMs,
  };
  for (const name of ['window', 'itemsPerChild', 'pageItems', 'timeoutMs', 'attemptTimeoutMs', 'cancelGraceMs'] as const) {
    if (!Number.isSafeInteger(plan[name]) || plan[name] < 1)
      throw new JobTypeError(`${id}: ${name} is ${plan[name]}: use a whole number from 1`);
  }
  if (window > MAX_WINDOW)
    throw new JobTypeError(`${id}: window is ${window}: use ${MAX_WINDOW} at most, it is kept in every event of the run`);
  if (pageItems < itemsPerChild)
    throw new JobTypeError(`${id}: pageItems is ${pageItems}: use ${itemsPerChild} at least, so that a page is enough for a child`);
  if (!(maxFailures >= 0)) throw new JobTypeError(`${id}: maxFailures is ${maxFailures}: use a number from 0`);
  if (!(maxFailureShare >= 0 && maxFailureShare <= 1))
    throw new JobTypeError(`${id}: maxFailureShare is ${maxFailureShare}: use a number from 0 to 1`);
  const problem = problemOf(plan.retry);
  if (problem !== undefined) throw new JobTypeError(`${id}: ${problem}`);
  return plan;
}

/** @throws {TerminalError} The source does not do what was asked: it would be asked for ever, or events would outgrow the log. */
function refuseEndless({ items, next }: ListedPage, { cursor, limit }: ListInput): void {
  if (items.length > limit) throw new TerminalError(`list returned ${items.length} items, at most ${limit} were asked for: heed limit`);
  if (next !== null && next === cursor)
    throw new TerminalError(`list returned the cursor it was given, ${JSON.stringify(next)}: it would never end`);
}
