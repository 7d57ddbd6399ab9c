/** Brings the graph up to date with the vault and checks what the vault's pages say about each other. */
import { assign, setup } from 'xstate';
import { z } from 'zod';
import type { Activity } from '../src/domain/activity.ts';
import type { JobType } from '../src/domain/job-type.ts';
import { attemptError, canRetry, nextAttempt, retryDelayMs, runTimeoutError, unavailableInARow } from '../src/domain/retry.ts';
import { type ActivityPolicy, activityPolicy, type RunPolicy } from '../src/domain/run-policy.ts';
import { activity } from '../src/domain/statechart/declare-activity.ts';
import { now, policy, random } from '../src/domain/statechart/environment.ts';
import type { SerializedError } from '../src/domain/statechart/serialized-error.ts';

const ALL_TIERS = [1, 2, 3] as const;
const tier = z.literal(ALL_TIERS);

/** `{}` syncs everything; `{ "tiers": [1] }` conversations only. */
export const vaultSyncInput = z.strictObject({
  tiers: z
    .array(tier)
    .min(1)
    .refine((tiers) => new Set(tiers).size === tiers.length, { error: 'names a tier twice' })
    .default([...ALL_TIERS]),
});
export type VaultSyncInput = z.output<typeof vaultSyncInput>;

/** By the names that the Python service logs and returns (contracts §11.3), and counted in the same way. */
export interface VaultSyncCounters {
  /** Also those that could not be read. */
  readonly files_processed: number;
  /** Also those that could not be written. */
  readonly blocks_processed: number;
  readonly blocks_unchanged: number;
  readonly blocks_updated: number;
  readonly blocks_new: number;
  /** Files, folders and blocks that could not be handled. */
  readonly errors: number;
}

/** Counted in full by kind, listed up to a limit. */
export interface VaultSyncFindings {
  readonly counts: Readonly<Record<string, number>>;
  readonly listed: readonly { readonly kind: string; readonly file: string; readonly id?: string; readonly detail: string }[];
}

export interface VaultSyncReferences extends VaultSyncFindings {
  readonly markers_checked: number;
  readonly links_checked: number;
}

interface Outcome {
  readonly counters: VaultSyncCounters;
  /** What `errors` counts. */
  readonly problems: VaultSyncFindings;
}

/** The activities, by the names the statechart invokes them. A type alias, because an interface would not fit into a registry. */
export type VaultSyncActivities = {
  /** Finds out what there is to do, and whether the vault is there at all. */
  readonly scanVault: Activity<VaultSyncInput, { readonly files: number }>;
  /** Writes every new or changed block to the graph. Goes on from its checkpoint when it is started again. */
  readonly reconcileBlocks: Activity<VaultSyncInput, Outcome>;
  /** Checks ids, anchors and wikilinks. Changes nothing. */
  readonly validateReferences: Activity<VaultSyncInput, VaultSyncReferences>;
  /** Tells the log, then forgets the checkpoints. */
  readonly writeReport: Activity<
    VaultSyncCounters & { readonly duration: number; readonly references: Readonly<Record<string, number>> },
    null
  >;
};

interface VaultSyncContext extends Outcome {
  readonly tiers: VaultSyncInput['tiers'];
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly files: number | null;
  readonly references: VaultSyncReferences | null;
  readonly policy: RunPolicy;
  /** What is being done, or waits to be done again. */
  readonly activity: keyof VaultSyncActivities;
  /** Of that activity, counted from 1. */
  readonly attempt: number;
  /** How often in a row it found out of order what it needs. */
  readonly unavailable: number;
  /** Of the last attempt, when it failed, or why the run ended. */
  readonly error: SerializedError | null;
}

export interface VaultSyncOutput extends VaultSyncCounters {
  /** Seconds since the epoch, as the Python service counts them. */
  readonly start_time: number;
  readonly end_time: number;
  /** Seconds. */
  readonly duration: number;
  readonly problems: VaultSyncFindings;
  readonly references: VaultSyncReferences | null;
  /** Only of a run that did not succeed; the counters then say how far it came. */
  readonly error?: SerializedError;
}

const NOTHING_YET: Outcome = {
  counters: { files_processed: 0, blocks_processed: 0, blocks_unchanged: 0, blocks_updated: 0, blocks_new: 0, errors: 0 },
  problems: { counts: {}, listed: [] },
};

function outputOf({ counters, problems, references, startedAt, endedAt, error }: VaultSyncContext): VaultSyncOutput {
  const end = endedAt ?? now();
  const times = { start_time: startedAt / 1000, end_time: end / 1000, duration: (end - startedAt) / 1000 };
  return { ...counters, ...times, problems, references, ...(error === null ? {} : { error }) };
}

const limitsOf = ({ policy, activity }: VaultSyncContext): ActivityPolicy => activityPolicy(policy, activity);
const errorOf = (context: VaultSyncContext, event: object): SerializedError =>
  attemptError(event, context.activity, limitsOf(context).timeoutMs);

const ifAttemptFails = [
  { guard: 'canRetry', target: 'retrying', actions: 'noteError' },
  { target: 'failed', actions: 'noteError' },
] as const;
/** From the one state where all waits take place: those in which something is done keep their plain names. */
const backToWork = [
  { guard: { type: 'interrupted', params: 'scanVault' }, target: 'scanning' },
  { guard: { type: 'interrupted', params: 'reconcileBlocks' }, target: 'reconciling' },
  { guard: { type: 'interrupted', params: 'validateReferences' }, target: 'validatingReferences' },
  { guard: { type: 'interrupted', params: 'writeReport' }, target: 'reporting' },
] as const;

export const vaultSyncMachine = setup({
  types: {
    input: {} as VaultSyncInput,
    context: {} as VaultSyncContext,
    events: {} as { type: 'retry' },
    output: {} as VaultSyncOutput,
  },
  actors: {
    scanVault: activityOf<'scanVault'>(),
    reconcileBlocks: activityOf<'reconcileBlocks'>(),
    validateReferences: activityOf<'validateReferences'>(),
    writeReport: activityOf<'writeReport'>(),
  },
  actions: {
    beginAttempt: assign(({ context: { attempt, error } }, activity: keyof VaultSyncActivities) => ({
      activity,
      attempt: error === null ? 1 : nextAttempt(attempt, error),
    })),
    forgetError: assign({ unavailable: 0, error: null }),
    noteEnd: assign({ endedAt: () => now() }),
    noteError: assign(({ context, event }) => {
      const error = errorOf(context, event);
      return { error, unavailable: unavailableInARow(context.unavailable, error) };
    }),
    noteRunTimeout: assign({ error: ({ context: { policy, error } }) => runTimeoutError(policy.timeoutMs, error) }),
  },
  guards: {
    canRetry: ({ context, event }) => canRetry(limitsOf(context).retry, context.attempt, errorOf(context, event)),
    interrupted: ({ context }, activity: keyof VaultSyncActivities) => context.activity === activity,
  },
  delays: {
    runTimeoutMs: ({ context }) => context.policy.timeoutMs,
    attemptTimeoutMs: ({ context }) => limitsOf(context).timeoutMs,
    backoffMs: ({ context }) => retryDelayMs(limitsOf(context).retry, context.attempt, context.unavailable, context.error, random()),
  },
}).createMachine({
  id: 'vault-sync',
  options: { maxIterations: 100 },
  context: ({ input }) => ({
    ...NOTHING_YET,
    tiers: input.tiers,
    startedAt: now(),
    endedAt: null,
    files: null,
    references: null,
    policy: policy(),
    activity: 'scanVault',
    attempt: 0,
    unavailable: 0,
    error: null,
  }),
  output: ({ context }) => outputOf(context),
  initial: 'scanning',
  after: { runTimeoutMs: { target: '.timedOut', actions: 'noteRunTimeout' } },
  states: {
    scanning: {
      entry: { type: 'beginAttempt', params: 'scanVault' },
      invoke: {
        id: 'scanVault',
        src: 'scanVault',
        input: ({ context }) => ({ tiers: context.tiers }),
        onDone: { target: 'reconciling', actions: ['forgetError', assign({ files: ({ event }) => event.output.files })] },
        onError: ifAttemptFails,
      },
      after: { attemptTimeoutMs: ifAttemptFails },
    },
    reconciling: {
      entry: { type: 'beginAttempt', params: 'reconcileBlocks' },
      invoke: {
        id: 'reconcileBlocks',
        src: 'reconcileBlocks',
        input: ({ context }) => ({ tiers: context.tiers }),
        onDone: { target: 'validatingReferences', actions: ['forgetError', assign(({ event }) => event.output)] },
        onError: ifAttemptFails,
      },
      after: { attemptTimeoutMs: ifAttemptFails },
    },
    validatingReferences: {
      entry: { type: 'beginAttempt', params: 'validateReferences' },
      invoke: {
        id: 'validateReferences',
        src: 'validateReferences',
        input: ({ context }) => ({ tiers: context.tiers }),
        onDone: { target: 'reporting', actions: ['forgetError', assign({ references: ({ event }) => event.output })] },
        onError: ifAttemptFails,
      },
      after: { attemptTimeoutMs: ifAttemptFails },
    },
    reporting: {
      entry: { type: 'beginAttempt', params: 'writeReport' },
      invoke: {
        id: 'writeReport',
        src: 'writeReport',
        input: ({ context }) => ({
          ...context.counters,
          duration: (now() - context.startedAt) / 1000,
          references: context.references?.counts ?? {},
        }),
        onDone: { target: 'succeeded', actions: 'forgetError' },
        onError: ifAttemptFails,
      },
      after: { attemptTimeoutMs: ifAttemptFails },
    },
    retrying: { on: { retry: backToWork }, after: { backoffMs: backToWork } },
    succeeded: { type: 'final', entry: 'noteEnd' },
    failed: { type: 'final', entry: 'noteEnd' },
    timedOut: { type: 'final', entry: 'noteEnd' },
  },
});

export const vaultSync = {
  id: 'vault-sync',
  summary: 'Brings the graph up to date with the vault and checks ids, anchors and links',
  machine: vaultSyncMachine,
  input: vaultSyncInput,
  concurrency: 1, // two at once would do the same work twice and fight over duplicated ids
  cron: '0 3 * * *',
} as const satisfies JobType;

function activityOf<Name extends keyof VaultSyncActivities>() {
  return activity<Parameters<VaultSyncActivities[Name]>[0], Awaited<ReturnType<VaultSyncActivities[Name]>>>();
}
