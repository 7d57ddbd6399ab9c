/**
 * Everything that can go wrong, a short time long, on three worker processes. `npm run test:chaos` is the long form. The seed decides
 * what happens, `ALMANAC_CHAOS_SEED` plays another one.
 */
import { expect, it } from 'vitest';
import { check } from '../chaos/checker.ts';
import { EVERYTHING } from '../chaos/plan.ts';
import { recoveryFrom } from '../chaos/recovery.ts';
import { play } from '../chaos/scenario.ts';
import { showHistory } from '../chaos/show-history.ts';

/** Chosen because every kind of fault is among its first ones. */
const SEED = process.env.ALMANAC_CHAOS_SEED || 'short 46';
const LEASE_MS = 1_000;
const RUNS = 150;

it(`whatever happens to processes, server, connections and clocks, every invariant holds (seed ${SEED})`, async () => {
  const { evidence, faults, seconds } = await play({
    seed: SEED,
    runs: RUNS,
    faults: 12,
    mix: EVERYTHING,
    meanEvents: 40,
    patientMs: { from: 1_000, to: 3_000 },
    leaseMs: LEASE_MS,
  });
  const killed = recoveryFrom('SIGKILL', evidence);
  process.stdout.write(
    `chaos seed ${SEED}: ${JSON.stringify(faults)}, ${evidence.runs.size} runs, ${JSON.stringify(killed)}, ${seconds} s\n`,
  );
  const findings = check(evidence);
  expect(findings, findings.flatMap(({ where }) => showHistory(evidence, where)).join('\n')).toEqual([]);
  expect(evidence.runs.size).toBeGreaterThanOrEqual(RUNS);
  expect(evidence.deaths.length).toBeGreaterThan(0);
}, 120_000);
