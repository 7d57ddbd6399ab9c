import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type VaultSyncOutput, vaultSync, vaultSyncInput, vaultSyncMachine } from '../../machines/vault-sync.machine.ts';
import type { VaultSyncPorts } from '../../src/activities/vault-sync/ports.ts';
import type { Activity } from '../../src/domain/activity.ts';
import { UnavailableError } from '../../src/domain/errors.ts';
import { type Instant, instant } from '../../src/domain/ids.ts';
import { resolvePolicy } from '../../src/domain/run-policy.ts';
import { activityDone, activityFailed, foldable, timerFired } from '../../src/domain/statechart/fold.ts';
import { lint } from '../../src/domain/statechart/lint.ts';
import { serializeError } from '../../src/domain/statechart/serialized-error.ts';
import { outcomeOf, outstanding, type Snapshot } from '../../src/domain/statechart/snapshot.ts';
import { GraphBusyError } from '../../src/knowledge/errors.ts';
import type { Graph } from '../../src/knowledge/ports.ts';
import { activityContext } from '../support/activity-context.ts';
import { forbidAmbient } from '../support/forbid-ambient.ts';
import { generateVault } from '../support/generate-vault.ts';
import { utterance, VaultSyncFixture } from '../support/vault-sync-fixture.ts';

const statechart = foldable(vaultSyncMachine, { guardCode: forbidAmbient });
const T0 = instant(1_790_000_000_000);

/** A run whose clock moves on by a second and a half with every event. */
class Walk {
  snapshot: Snapshot;
  #at: number = T0;

  constructor(input: unknown = {}) {
    const environment = {
      ...this.#environment(),
      policy: resolvePolicy({ timeoutMs: 600_000 }, { maxAttempts: 3, attemptTimeoutMs: 60_000 }),
    };
    this.snapshot = statechart.start(vaultSyncInput.parse(input), environment).snapshot;
  }
  #environment() {
    return { at: this.#at as Instant, seed: 'walk' };
  }
  get activity() {
    return outstanding(this.snapshot).activities[0];
  }
  done(output: unknown): this {
    return this.#hear(activityDone(this.activity!.id, this.activity!.visit, output));
  }
  failed(error: unknown): this {
    return this.#hear(activityFailed(this.activity!.id, this.activity!.visit, serializeError(error)));
  }
  hear(type: string): this {
    return this.#hear({ kind: 'event', event: { type } });
  }
  /** Milliseconds until the timer of the delay is due. */
  msUntil(delay: string): number {
    return this.#timer(delay)[1].dueAt - this.#at;
  }
  /** Goes to when the timer of the delay is due. */
  elapse(delay: string): this {
    const [id, timer] = this.#timer(delay);
    this.#at = timer.dueAt - 1500;
    return this.#hear(timerFired(id, timer.visit, timer));
  }
  #timer(delay: string) {
    return Object.entries(this.snapshot.timers!).find(([id]) => id.startsWith(`xstate.after.${delay}.`))!;
  }
  #hear(stimulus: Parameters<typeof statechart.step>[1]): this {
    this.#at += 1500;
    this.snapshot = JSON.parse(JSON.stringify(statechart.step(this.snapshot, stimulus, this.#environment())!.snapshot));
    return this;
  }
}

const reconciled = {
  counters: { files_processed: 3, blocks_processed: 9, blocks_unchanged: 5, blocks_updated: 2, blocks_new: 1, errors: 1 },
  problems: { counts: { 'not-utf-8': 1 }, listed: [{ kind: 'not-utf-8', file: 'a.md', detail: 'is not UTF-8 text' }] },
};
const references = { counts: {}, listed: [], markers_checked: 9, links_checked: 4 };

describe('the statechart', () => {
  it('has no fault that the host would refuse', () => expect(lint(vaultSyncMachine)).toEqual([]));
  it('scans, reconciles, validates, reports, and has succeeded', () => {
    const walk = new Walk();
    const story = [[walk.snapshot.value, walk.activity?.src]];
    for (const output of [{ files: 3 }, reconciled, references, null]) {
      walk.done(output);
      story.push([walk.snapshot.value, walk.activity?.src]);
    }
    expect(story).toEqual([
      ['scanning', 'scanVault'],
      ['reconciling', 'reconcileBlocks'],
      ['validatingReferences', 'validateReferences'],
      ['reporting', 'writeReport'],
      ['succeeded', undefined],
    ]);
    expect(outcomeOf(walk.snapshot)).toBe('succeeded');
  });
  it('gives the output that the Python service gives, in seconds', () => {
    const { snapshot } = new Walk().done({ files: 3 }).done(reconciled).done(references).done(null);
    expect(snapshot.output).toEqual({
      ...reconciled.counters,
      start_time: 1_790_000_000,
      end_time: 1_790_000_006,
      duration: 6,
      problems: reconciled.problems,
      references,
    });
  });
  it('hands the tiers to every activity, and the counters to the report', () => {
    const walk = new Walk({ tiers: [3, 1] });
    expect(walk.activity?.input).toEqual({ tiers: [3, 1] });
    expect(walk.done({ files: 3 }).activity?.input).toEqual({ tiers: [3, 1] });
    expect(walk.done(reconciled).activity?.input).toEqual({ tiers: [3, 1] });
    expect(walk.done(references).activity?.input).toEqual({ ...reconciled.counters, duration: 4.5, references: {} });
  });
  it.each([0, 1, 2, 3])('fails when activity number %i does, with the error and the counters so far', (step) => {
    const walk = new Walk();
    for (const output of [{ files: 3 }, reconciled, references].slice(0, step)) walk.done(output);
    walk.failed(Object.assign(new Error('no vault'), { code: 'VAULT_NOT_FOUND', retryable: false }));
    expect(outcomeOf(walk.snapshot)).toBe('failed');
    expect(walk.snapshot.output).toMatchObject({
      error: { message: 'no vault', code: 'VAULT_NOT_FOUND', retryable: false },
      files_processed: step > 1 ? 3 : 0,
      duration: 1.5 * (step + 1),
    });
    expect(outstanding(walk.snapshot).activities).toEqual([]);
  });
  it.each([0, 1, 2, 3])('tries activity number %i again when it fails, and forgets the error when it succeeds', (step) => {
    const outputs = [{ files: 3 }, reconciled, references, null];
    const walk = new Walk();
    for (const output of outputs.slice(0, step)) walk.done(output);
    const { value: state, activities } = walk.snapshot;
    const input = walk.activity?.input;
    walk.failed(new Error('locked'));
    expect([walk.snapshot.value, walk.activity]).toEqual(['retrying', undefined]);
    expect(walk.msUntil('backoffMs')).toBeLessThan(1_000);
    walk.elapse('backoffMs');
    expect(walk.snapshot.value).toBe(state);
    expect(Object.keys(walk.snapshot.activities!)).toEqual(Object.keys(activities!));
    if (step < 3) expect(walk.activity?.input).toEqual(input); // the last one is told how long it took
    for (const output of outputs.slice(step)) walk.done(output);
    expect(outcomeOf(walk.snapshot)).toBe('succeeded');
    expect(walk.snapshot.output).not.toHaveProperty('error');
  });
  it('fails when its attempts are used up, each activity having its own', () => {
    const walk = new Walk().failed(new Error('locked')).elapse('backoffMs').failed(new Error('locked')).elapse('backoffMs');
    walk.done({ files: 3 }).failed(new Error('locked')).elapse('backoffMs').failed(new Error('locked')).elapse('backoffMs');
    expect(walk.snapshot.value).toBe('reconciling');
    walk.failed(new Error('locked for good'));
    expect(walk.snapshot).toMatchObject({ value: 'failed', output: { error: { message: 'locked for good' } } });
  });
  it('gives an attempt up when its time is up', () => {
    const walk = new Walk().done({ files: 3 });
    expect(walk.msUntil('attemptTimeoutMs')).toBe(60_000);
    walk.elapse('attemptTimeoutMs');
    expect(walk.snapshot).toMatchObject({
      value: 'retrying',
      context: { error: { message: 'an attempt of reconcileBlocks took longer than 60000 ms' } },
    });
    expect(walk.elapse('backoffMs').snapshot).toMatchObject({ value: 'reconciling', context: { attempt: 2 } });
  });
  it('waits for what is out of order as long as the whole run may take, and tries at once when it is told to', () => {
    const walk = new Walk();
    const unavailable = new UnavailableError('the graph', 'it is being moved', 120_000);
    for (let times = 0; times < 4; times++) walk.failed(unavailable).hear('retry');
    expect(walk.snapshot).toMatchObject({ value: 'scanning', context: { attempt: 1 } });
    walk.failed(unavailable);
    expect(walk.msUntil('backoffMs')).toBe(120_000);
    walk.elapse('runTimeoutMs');
    expect(walk.snapshot).toMatchObject({
      value: 'timedOut',
      output: { duration: 600, error: { name: 'RunTimeoutError', cause: { code: 'UNAVAILABLE' } } },
    });
  });
  it('stays small, also with as many findings as there can be', () => {
    const listed = Array.from({ length: 50 }, () => ({ kind: 'broken-link', file: 'x'.repeat(70), detail: 'y'.repeat(40) }));
    const full = { counts: { 'broken-link': 1e6 }, listed };
    const { snapshot } = new Walk()
      .done({ files: 1e6 })
      .done({ ...reconciled, problems: full })
      .done({ ...references, ...full })
      .done(null);
    expect(JSON.stringify(snapshot).length).toBeLessThan(48 * 1024);
  });
});

describe('the input', () => {
  it.each([
    [{}, [1, 2, 3]],
    [{ tiers: [2] }, [2]],
    [{ tiers: [3, 1] }, [3, 1]],
  ])('%j means tiers %j', (input, tiers) => expect(vaultSync.input.parse(input)).toEqual({ tiers }));
  it.each([{ tiers: [] }, { tiers: [1, 1] }, { tiers: [4] }, { tiers: ['1'] }, { tier: [1] }, { tiers: null }, 'all', null])(
    '%j is refused',
    (input) => {
      expect(vaultSync.input.safeParse(input).success).toBe(false);
    },
  );
});

describe('with its activities', () => {
  let fixture: VaultSyncFixture;
  beforeEach(() => {
    fixture = new VaultSyncFixture();
  });
  afterEach(() => fixture.dispose());

  async function run(runId: string, ports: Partial<VaultSyncPorts> = {}): Promise<Snapshot> {
    const activities: Record<string, Activity<never, unknown>> = fixture.activities(ports);
    const walk = new Walk();
    while (walk.snapshot.status === 'active') {
      if (walk.activity === undefined) {
        walk.elapse('backoffMs');
        continue;
      }
      const { id, src, visit, input } = walk.activity;
      try {
        walk.done(await activities[src]!(input as never, activityContext({ runId, activityId: id, visit })));
      } catch (error) {
        walk.failed(error);
      }
    }
    return walk.snapshot;
  }

  it('syncs a vault and leaves no checkpoint behind', async () => {
    fixture.add('conversations/a.md', `${utterance('blk_abc123', 'Mara: see [[b]]')}${utterance('blk_def456', 'Otto: and [[nowhere]]')}`);
    fixture.add('summaries/b.md', utterance('clm_abc123', '- so it is'));
    const first = await run('first');
    expect(outcomeOf(first)).toBe('succeeded');
    expect(first.output).toMatchObject({
      files_processed: 2,
      blocks_new: 3,
      errors: 0,
      references: { counts: { 'broken-link': 1 }, links_checked: 2 },
    });
    expect((await run('second')).output as unknown as VaultSyncOutput).toMatchObject({
      blocks_unchanged: 3,
      blocks_new: 0,
      blocks_updated: 0,
    });
    expect(fixture.rows('SELECT key FROM checkpoint')).toEqual([]);
  });
  it('goes on where a locked graph stopped it, and ends with the counters of an undisturbed run', async () => {
    generateVault(fixture.root, { files: 100, blocksPerFile: 3, seed: 'locked' });
    let writes = 0;
    const graph: Graph = {
      ...fixture.graph,
      async writeBlocks(blocks, checkpoint) {
        if (++writes === 3) throw new GraphBusyError(fixture.graphFile, 5_000);
        return fixture.graph.writeBlocks(blocks, checkpoint);
      },
    };
    const { output, visits } = await run('first', { graph });
    expect(output).toMatchObject({ files_processed: 100, blocks_processed: 300, blocks_new: 300, blocks_unchanged: 0, errors: 0 });
    expect(output).not.toHaveProperty('error');
    expect([writes > 3, visits]).toEqual([true, 12]); // the run's timer, two for each attempt, of which there were five, and the wait
  });
  it('fails without a vault, and says what to set', async () => {
    fixture.folder.remove();
    expect((await run('first')).output).toMatchObject({ error: { code: 'VAULT_NOT_FOUND', retryable: false }, files_processed: 0 });
  });
});
