/**
 * What a batch knows of its items and children: the context of its statechart. Its size depends on the window and the page, never on the
 * number of items. Pure.
 */
import { type ChildIds, childIdOf } from './child-ids.ts';
import { isFailure } from './outcome.ts';
import type { ChildFinished } from './signal.ts';
import type { Json } from './statechart/json.ts';
import type { SerializedError } from './statechart/serialized-error.ts';

/** The numbers that a batch goes by. */
export interface BatchSizes {
  /** Children that may be unfinished at a time. */
  readonly window: number;
  readonly itemsPerChild: number;
  /** Items that are kept for children to come. */
  readonly pageItems: number;
  /** Failed items beyond this end the batch. */
  readonly maxFailures: number;
  /** The same as a share of all items, once their number is known. */
  readonly maxFailureShare: number;
}

export interface ListedPage {
  readonly items: readonly Json[];
  /** Where the next page begins; null: there is none. */
  readonly next: string | null;
  /** Of all items, if that is known. */
  readonly total?: number;
}

/** One of the first failures, for people. All of them are in the children's own histories. */
export interface BatchFailure {
  readonly child: string;
  readonly outcome: string;
  readonly message?: string;
}

export interface BatchLedger {
  readonly input: Json;
  /** As it was when the batch began: the numbers of its children count on it. */
  readonly itemsPerChild: number;
  /** In items, not in children. */
  readonly progress: { readonly done: number; readonly failed: number; readonly total?: number };
  readonly childIds: ChildIds;
  /** Of the next page; null: the first one. */
  readonly cursor: string | null;
  /** Nothing is left to list. */
  readonly complete: boolean;
  readonly listed: number;
  /** Listed items that have no child yet; those whose children are being started come first. */
  readonly page: readonly Json[];
  /** Children so far; also the number of the next one. */
  readonly children: number;
  /** How many of them, the last ones, are being started. */
  readonly starting: number;
  /** Numbers of the children that have not finished. */
  readonly outstanding: readonly number[];
  readonly failures: readonly BatchFailure[];
  /** Of what is being tried: listing, starting or cancelling. */
  readonly attempts: number;
  /** How often in a row it found out of order what it needs. */
  readonly unavailable: number;
  readonly paused: boolean;
  /** Set as soon as it is known that the batch ends before its time. */
  readonly ending: 'cancelled' | 'failed' | 'timedOut' | null;
  /** Why it ends, or what the last attempt failed of. */
  readonly error: SerializedError | null;
}

export interface ListInput {
  readonly input: Json;
  readonly cursor: string | null;
  readonly limit: number;
}
export interface StartInput {
  readonly input: Json;
  readonly childIds: ChildIds;
  /** Number of the first of them. */
  readonly first: number;
  readonly items: readonly Json[];
  readonly itemsPerChild: number;
}
export interface CancelInput {
  readonly childIds: ChildIds;
  readonly children: readonly number[];
  readonly why: NonNullable<BatchLedger['ending']>;
}

const MOST_FAILURES_KEPT = 20;
const LONGEST_MESSAGE = 200;
/** An event holds the page up to two and a half times: in the context, as what starts children, and what was just listed. */
const MAX_PAGE_BYTES = 16 * 1024;

export const newLedger = (input: Json, { itemsPerChild }: BatchSizes): BatchLedger => ({
  input,
  itemsPerChild,
  progress: { done: 0, failed: 0 },
  childIds: { start: '', end: '' },
  cursor: null,
  complete: false,
  listed: 0,
  page: [],
  children: 0,
  starting: 0,
  outstanding: [],
  failures: [],
  attempts: 0,
  unavailable: 0,
  paused: false,
  ending: null,
  error: null,
});

/** The number of an outstanding child; undefined: it is none, or not any more. */
export function outstandingChild({ childIds, outstanding }: BatchLedger, child: string): number | undefined {
  const number = Number(child.slice(childIds.start.length, child.length - childIds.end.length));
  return outstanding.includes(number) && childIdOf(childIds, number) === child ? number : undefined;
}

const half = (window: number) => Math.ceil(window / 2);

/** How many children can be started now; 0 while there is little room, so that one decision starts many. */
export function startable({ page, complete, outstanding, itemsPerChild }: BatchLedger, { window }: BatchSizes): number {
  const room = window - outstanding.length;
  if (room < half(window)) return 0;
  const waiting = page.length / itemsPerChild;
  return Math.min(room, complete ? Math.ceil(waiting) : Math.floor(waiting));
}

/** Listed ahead, so that children that could start never wait for a page. */
export const isPageLow = ({ page, complete, itemsPerChild }: BatchLedger, { window, pageItems }: BatchSizes): boolean =>
  !complete && page.length < Math.min(half(window) * itemsPerChild, fullPage(itemsPerChild, pageItems));

/** Enough for a child, even if the definition has another idea by now. */
const fullPage = (itemsPerChild: number, pageItems: number) => Math.max(itemsPerChild, pageItems);

export function listInput({ input, cursor, page, itemsPerChild }: BatchLedger, { pageItems }: BatchSizes): ListInput {
  return { input, cursor, limit: fullPage(itemsPerChild, pageItems) - page.length };
}

export function startInput({ input, childIds, children, starting, page, itemsPerChild }: BatchLedger): StartInput {
  return { input, childIds, first: children - starting, items: page.slice(0, starting * itemsPerChild), itemsPerChild };
}

export const isDone = ({ page, complete, outstanding }: BatchLedger): boolean => complete && page.length === 0 && outstanding.length === 0;

export const hasTooManyFailures = ({ progress: { failed, total } }: BatchLedger, { maxFailures, maxFailureShare }: BatchSizes): boolean =>
  failed > maxFailures || (total !== undefined && failed > maxFailureShare * total);

/** The page is too large for the log. Undefined: it is not. */
export function pageProblem({ page }: BatchLedger, { items }: ListedPage): SerializedError | undefined {
  const bytes = Buffer.byteLength(JSON.stringify([...page, ...items]));
  if (bytes <= MAX_PAGE_BYTES) return undefined;
  const count = page.length + items.length;
  const message = `${count} listed items take ${bytes} bytes, at most ${MAX_PAGE_BYTES} are allowed: list references, or lower pageItems`;
  return { name: 'PageTooLargeError', message, retryable: false };
}

export function withPage({ page, listed, progress }: BatchLedger, { items, next, total }: ListedPage): Partial<BatchLedger> {
  const nowListed = listed + items.length;
  const known = next === null ? nowListed : (total ?? progress.total);
  return {
    page: [...page, ...items],
    listed: nowListed,
    cursor: next,
    complete: next === null,
    progress: known === undefined ? progress : { ...progress, total: known },
  };
}

/** Children are outstanding before they are started (invariant 3): however soon one reports, it is expected. */
export function withChildren(ledger: BatchLedger, sizes: BatchSizes): Partial<BatchLedger> {
  const { children, outstanding } = ledger;
  const starting = startable(ledger, sizes);
  const numbers = Array.from({ length: starting }, (_, index) => children + index);
  return { starting, children: children + starting, outstanding: [...outstanding, ...numbers] };
}

export const withStarted = ({ page, starting, itemsPerChild }: BatchLedger): Partial<BatchLedger> => ({
  page: page.slice(starting * itemsPerChild),
  starting: 0,
});

/** Counts a child once, because it is outstanding once. A child that the batch itself had cancelled is not done. */
export function withFinished(ledger: BatchLedger, finished: ChildFinished): Partial<BatchLedger> {
  const { progress, outstanding, listed, failures, ending, itemsPerChild } = ledger;
  const { child, outcome } = finished;
  const number = outstandingChild(ledger, child)!;
  const rest = { outstanding: outstanding.filter((other) => other !== number) };
  if (ending !== null && outcome === 'cancelled') return rest;
  const items = Math.min(itemsPerChild, listed - number * itemsPerChild);
  const done = progress.done + items;
  if (!isFailure(outcome)) return { ...rest, progress: { ...progress, done } };
  const kept = failures.length < MOST_FAILURES_KEPT ? [...failures, failureOf(finished)] : failures;
  return { ...rest, progress: { ...progress, done, failed: progress.failed + items }, failures: kept };
}

function failureOf({ child, outcome, output }: ChildFinished): BatchFailure {
  const { error } = (typeof output === 'object' && output !== null ? output : {}) as { error?: { message?: unknown } | null };
  const message = error?.message;
  return {
    child,
    outcome: outcome.slice(0, LONGEST_MESSAGE),
    ...(typeof message === 'string' && { message: message.slice(0, LONGEST_MESSAGE) }),
  };
}
