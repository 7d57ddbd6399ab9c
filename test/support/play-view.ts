/** What can be done to a run from outside, and what can be seen of it: the common ground of the fold and XState's interpreter. */
import type { AnyEventObject } from 'xstate';
import type { SerializedError } from '../../src/domain/statechart/serialized-error.ts';

export type Move =
  | TimelessMove
  /** Time passes to exactly the next timer. */
  | { readonly do: 'elapse'; readonly ms: number };

export type TimelessMove =
  | { readonly do: 'hear'; readonly event: AnyEventObject }
  | { readonly do: 'resolve'; readonly id: string; readonly output: unknown }
  | { readonly do: 'reject'; readonly id: string; readonly error: SerializedError }
  /** The timer is due, and no other one, whatever the time. */
  | { readonly do: 'fire'; readonly id: string };

export interface View {
  readonly value: unknown;
  readonly context: unknown;
  readonly status: string;
  readonly output: unknown;
  readonly error: string | undefined;
  readonly activities: readonly string[];
  /** `id@dueAt` */
  readonly timers: readonly string[];
  /** Since the last look. */
  readonly done: Doings;
}

export interface Doings {
  readonly actions: unknown[];
  readonly emitted: unknown[];
  readonly logged: unknown[];
  readonly sent: unknown[];
}

export const noDoings = (): Doings => ({ actions: [], emitted: [], logged: [], sent: [] });

/** Timers without an id of their own are named differently on each side. */
export const timerView = (id: string, dueAt: number): string => `${/^(xstate\.after|own:)/.test(id) ? id : '(unnamed)'}@${dueAt}`;

/** Random numbers must agree without either side counting transitions. */
export const seedOf = (at: number, eventType: string): string => `${at}/${eventType}`;
