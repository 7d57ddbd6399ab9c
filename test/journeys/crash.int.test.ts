/**
 * Kill -9 in the middle of a vault-sync run: another process finishes it, and nothing shows that anything happened. The instants come from
 * a seed, so a failing round can be played again. ALMANAC_CRASH_ROUNDS=50 for more of them; `ALMANAC_CRASH_SEED` for others.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import type { RunView } from '../../src/runtime/run-view.ts';
import { CrashScene, type Moment, STATES, VAULT_SYNC } from '../support/crash-scene.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const ROUNDS = Number(process.env.ALMANAC_CRASH_ROUNDS || 12);
const SEED = process.env.ALMANAC_CRASH_SEED || 'kill -9';
const VAULT = { files: 800, blocksPerFile: 5 };
/** About how long each state lasts in a fresh process, in milliseconds. */
const LASTS = { scanning: 12, reconciling: 150, validatingReferences: 90, reporting: 30 };
const WHOLE_RUN_MS = 450;
const PATH = [null, ...STATES, 'succeeded'];

/** By turns: on entering a state, somewhere inside of it, at any time after the command was sent. */
function momentOf(round: number, random: SeededRandom): Moment {
  const state = STATES[Math.floor(round / 3) % STATES.length]!;
  if (round % 3 === 0) return { state, afterMs: 0 };
  if (round % 3 === 1) return { state, afterMs: random.int(LASTS[state]) };
  return { state: undefined, afterMs: random.int(WHOLE_RUN_MS) };
}

const rounds = Array.from({ length: ROUNDS }, (_, round) => {
  const random = new SeededRandom(`${SEED} ${round}`);
  const moment = momentOf(round, random);
  const where = moment.state === undefined ? 'of any state' : `of ${moment.state}`;
  return { round, moment, where, beside: random.chance(0.5), survivor: '' };
}).map((each) => ({ ...each, survivor: each.beside ? 'another process' : 'a new process' }));

describe('after kill -9', () => {
  const server = useNatsServer();
  const killed: Record<string, number> = {};
  let scene: CrashScene;
  let undisturbed: { run: RunView; graph: string };

  beforeAll(async () => {
    scene = await CrashScene.open(server, VAULT);
    undisturbed = await scene.undisturbed();
    expect(undisturbed.run).toMatchObject({ outcome: 'succeeded', output: { blocks_new: VAULT.files * VAULT.blocksPerFile } });
  });
  afterAll(async () => {
    await scene?.dispose();
    process.stdout.write(`killed by state: ${JSON.stringify(killed)}\n`);
  });

  it.each(rounds)('$moment.afterMs ms into the life $where, $survivor finishes the run (round $round)', async ({ moment, beside }) => {
    const { run, state, graph, msUntilEnd } = await scene.crash(moment, beside);
    killed[state] = (killed[state] ?? 0) + 1;
    expect(withoutTimes(run.output)).toEqual(withoutTimes(undisturbed.run.output));
    expect(graph).toBe(undisturbed.graph);
    expect(msUntilEnd).toBeLessThan(15_000);

    const history = await scene.operations.runHistory(run.id, VAULT_SYNC);
    const { events, problems } = await scene.operations.verify({ runId: run.id });
    expect({ events, problems }).toEqual({ events: history.length, problems: [] });
    expect(transitionsOf(history)).toEqual(PATH.slice(1).map((to, at) => `${PATH[at]} → ${to}`));
    expectOnlyTakeovers(history);
  });

  it('every state was among those in which the process died', () => {
    expect(Object.keys(killed)).toEqual(expect.arrayContaining([...STATES]));
  });

  it('the whole log folds', async () => {
    expect(await scene.operations.verify({})).toMatchObject({ runs: ROUNDS + 1, problems: [] });
  });
});

const transitionsOf = (history: readonly StoredRunEvent[]) =>
  history.filter(({ event }) => event.type !== 'almanac.run.resumed').map(({ event }) => `${event.data.from} → ${event.data.to}`);

/** A resumption is by a later delivery of the same command; between two of them nobody else writes. */
function expectOnlyTakeovers(history: readonly StoredRunEvent[]): void {
  history.slice(1).forEach(({ event }, index) => {
    const [before, now] = [history[index]!.event.data.lease, event.data.lease];
    expect(now.command).toBe(before.command);
    if (event.type === 'almanac.run.resumed') expect(now.delivery).toBeGreaterThan(before.delivery);
    else expect(now.delivery).toBe(before.delivery);
  });
}

function withoutTimes(output: unknown): object {
  const { start_time, end_time, duration, ...counted } = output as Record<string, unknown>;
  return counted;
}
