/** `npm run test:chaos`: see `--help`. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { check } from './checker.ts';
import { EVERYTHING, type Mix, MOSTLY_KILLS } from './plan.ts';
import { recoveryFrom } from './recovery.ts';
import { type Progress, play } from './scenario.ts';
import { showHistory } from './show-history.ts';

const HELP = `Three worker processes, a NATS server, many runs, and everything that can go wrong; then a check of all that was logged.

npm run test:chaos -- [options]

  --seed <text>      Plays the plan of this seed again: the same runs, the same faults in the same order. Default: a new one, printed.
  --runs <number>    At least so many runs. Default: 2000
  --kills <number>   Goes on until so many workers were killed, with few other faults.
  --faults <number>  Goes on until so much went wrong.
  --minutes <number> Goes on at least so long.
  --server <which>   newest, debian (2.9.10), or the path of a nats-server. Default: newest
  --lease-ms <number> How long a lease lasts. Default: 1000
  --only <kinds>     Nothing else goes wrong, e.g. kill,end. Then the seed plays another plan.
  --rest-ms <number> At least so long between two faults: with --only, how soon runs go on elsewhere. Default: 0
  --without <kinds>  Leaves faults out, e.g. restart,jump. Then the seed plays another plan.
  --show <runs>      Prints the histories of these runs, e.g. chaos-one/c12,chaos-steps/c3, though nothing is wrong with them;
                     "slowest" for the one that went on latest after a kill.
`;
const PROGRESS_EVERY_MS = 5_000;
const SHOWN = 20;
const SHOWN_IN_FULL = 3;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
    runs: { type: 'string', default: '2000' },
    kills: { type: 'string' },
    faults: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
    'rest-ms': { type: 'string', default: '0' },
    minutes: { type: 'string', default: '0' },
    server: { type: 'string', default: process.env.ALMANAC_TEST_NATS || 'newest' },
    'lease-ms': { type: 'string', default: '1000' },
    without: { type: 'string', default: '' },
    show: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string) => process.stdout.write(`${line}\n`);

if (values.help) say(HELP);
else process.exitCode = await main();

async function main(): Promise<number> {
  const { seed, server: which } = values;
  const folder = mkdtempSync(join(tmpdir(), 'almanac-chaos-'));
  say(`seed ${seed}`);
  const kills = values.kills === undefined ? 0 : Number(values.kills);
  const listed = (kinds: string): string[] => kinds.split(',').filter(Boolean);
  const mix = { ...(kills > 0 ? MOSTLY_KILLS : EVERYTHING) };
  for (const kind of Object.keys(mix) as (keyof Mix)[]) {
    const isPlayed = values.only === '' || listed(values.only).includes(kind);
    if (!isPlayed || listed(values.without).includes(kind)) mix[kind] = 0;
  }
  const { evidence, faults, server, seconds } = await play({
    seed,
    which,
    folder,
    runs: Number(values.runs),
    kills,
    lastingMs: Number(values.minutes) * 60_000,
    faults: Number(values.faults),
    restMs: Number(values['rest-ms']),
    mix,
    meanEvents: kills > 0 ? 40 : 60,
    patientMs: { from: 6_000, to: 20_000 },
    leaseMs: Number(values['lease-ms']),
    onProgress: everySoOften(),
  });
  const events = [...evidence.runs.values()].reduce((sum, { length }) => sum + length, 0);
  const resumed = [...evidence.runs.values()].flat().filter(({ event }) => event.type === 'almanac.run.resumed').length;
  say(`NATS Server ${server}: ${evidence.runs.size} runs, ${events} events, ${resumed} take-overs, ${seconds.toFixed(1)} s`);
  say(`faults ${JSON.stringify(faults)}`);
  say(`killed: ${JSON.stringify(recoveryFrom('SIGKILL', evidence))}`);
  say(`ended in order: ${JSON.stringify(recoveryFrom('SIGTERM', evidence))}`);
  const findings = check(evidence);
  for (const { rule, where, detail } of findings.slice(0, SHOWN)) say(`NOT TRUE: ${rule}: ${where}: ${detail}`);
  const shown = findings.slice(0, SHOWN_IN_FULL).map(({ where }) => where);
  if (values.show === 'slowest') shown.push(recoveryFrom('SIGKILL', evidence).slowest);
  for (const run of new Set([...shown, ...listed(values.show)])) {
    for (const line of showHistory(evidence, run)) say(`  ${line}`);
  }
  if (findings.length === 0) say('every invariant holds');
  else say(`${findings.length} findings; again with: npm run test:chaos -- --seed ${seed}; logs of the workers in ${folder}`);
  return findings.length === 0 ? 0 : 1;
}

function everySoOften(): (progress: Progress) => void {
  let saidAt = performance.now();
  return ({ sent, open, events, faults, kills }) => {
    if (performance.now() - saidAt < PROGRESS_EVERY_MS) return;
    saidAt = performance.now();
    say(`  ${sent} runs sent, ${open} open, ${events} events, ${faults} faults, ${kills} kills`);
  };
}
