import { describe, expect, it } from 'vitest';
import { vaultSync } from '../../machines/vault-sync.machine.ts';
import { instant, type JobTypeId, type RunId } from '../../src/domain/ids.ts';
import { resolvePolicy } from '../../src/domain/run-policy.ts';
import { activityFailed, foldable } from '../../src/domain/statechart/fold.ts';
import type { Snapshot } from '../../src/domain/statechart/snapshot.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { runDiagramOf } from '../../src/runtime/run-diagram.ts';
import { parseDiagram } from '../support/mermaid-grammar.ts';

const statechart = foldable(vaultSync.machine);
const environment = { at: instant(0), seed: '1' };
const scanning = statechart.start({ tiers: [1] }, { ...environment, policy: resolvePolicy() }).snapshot;

const storedAs = (snapshot: Snapshot, definition = statechart.definitionHash) =>
  ({ jobType: 'vault-sync' as JobTypeId, runId: 'r1' as RunId, event: { data: { snapshot, definition } } }) as StoredRunEvent;
const coloured = (snapshot: Snapshot) => [...parseDiagram(runDiagramOf(storedAs(snapshot), vaultSync)).classes];

describe('the diagram of a run', () => {
  it('shows where it is', () => {
    expect(coloured(scanning)).toEqual([['active', ['s_scanning']]]);
  });

  it('shows where it failed', () => {
    const { visit } = scanning.activities!.scanVault!;
    const { snapshot } = statechart.step(
      scanning,
      activityFailed('scanVault', visit, { name: 'Error', retryable: false, message: 'no' }),
      environment,
    )!;
    expect(coloured(snapshot)).toEqual([['failed', ['s_failed']]]);
  });

  it('is refused when its statechart has changed', () => {
    expect(() => runDiagramOf(storedAs(scanning, 'another-one'), vaultSync)).toThrow(
      expect.objectContaining({ code: 'CONFLICT', message: expect.stringContaining('draw it with the version') }),
    );
  });
});
