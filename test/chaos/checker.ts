/** Judges what happened by the invariants of the design. Table-driven: see `checks/event-kinds.ts` for the types of events. */
import { isDeepStrictEqual } from 'node:util';
import { checkConcurrency } from './checks/concurrency-check.ts';
import { checkEffects } from './checks/effect-checks.ts';
import type { Finding } from './checks/finding.ts';
import { checkFold } from './checks/fold-check.ts';
import { checkLog } from './checks/log-checks.ts';
import { checkParking } from './checks/parking-checks.ts';
import { checkSignals, isPlannedRefusal } from './checks/signal-checks.ts';
import type { Evidence, Letter } from './evidence.ts';

export function check(evidence: Evidence): Finding[] {
  const findings: Finding[] = [];
  const complain = (rule: string, where: string, detail: string) => void findings.push({ rule, where, detail });
  for (const [key, history] of evidence.runs) {
    const about = (rule: string, detail: string) => complain(rule, key, detail);
    checkLog(history, { key, clocksSetBack: evidence.clocksSetBack }, about);
    checkParking(history, evidence, about);
    const machine = evidence.machines[key.split('/')[0]!];
    if (machine === undefined) about('every run is of a known job type', key);
    else checkFold(machine, history, about);
  }
  checkIds(evidence, complain);
  checkOutcomes(evidence, complain);
  checkSignals(evidence, complain);
  checkEffects(evidence, complain);
  checkConcurrency(evidence, complain);
  checkRemains(evidence, complain);
  return findings;
}

type Complain = (rule: string, where: string, detail: string) => void;

function checkIds({ runs }: Evidence, complain: Complain): void {
  const seen = new Set<string>();
  for (const [key, history] of runs) {
    for (const { event } of history) {
      if (seen.has(event.id)) complain('no event is in the log twice', key, event.id);
      seen.add(event.id);
    }
  }
}

/** No lost run, no run that nobody asked for, and each ends as it has to. */
function checkOutcomes({ runs, expected, deadLetters }: Evidence, complain: Complain): void {
  const lettersOf = (key: string) => deadLetters.filter(({ run }) => run === key).map(({ text }) => text);
  const asked = new Set<string>();
  for (const { jobType, runId, input, lane, outcomes } of expected) {
    const key = `${jobType}/${runId}`;
    asked.add(key);
    const history = runs.get(key);
    if (history === undefined) {
      complain('no run is lost', key, 'it never started');
      continue;
    }
    const { data } = history.at(-1)!.event;
    if (data.snapshot.status === 'active') complain('no run is lost', key, [`it stands still in ${data.to}`, ...lettersOf(key)].join('; '));
    else if (!outcomes.includes(data.outcome!))
      complain('a run ends as its input says', key, `${data.outcome}, expected ${outcomes.join(' or ')}`);
    const lanes = new Set(history.map(({ event }) => event.data.lease.lane ?? 'normal'));
    if (lanes.size > 1 || !lanes.has(lane)) complain('a run stays in its lane', key, `${[...lanes]}, its lane is ${lane}`);
    if (!isDeepStrictEqual(history[0]!.event.data.input, input)) complain('a run has the input it was given', key, JSON.stringify(input));
  }
  for (const key of runs.keys()) if (!asked.has(key)) complain('nothing runs that nobody asked for', key, '');
}

function checkRemains(evidence: Evidence, complain: Complain): void {
  const { runs, commandsLeft, deadLetters, problems } = evidence;
  const stored = commandsLeft.stored.filter((subject) => !isWakeOfEnded(subject, runs));
  const { consumers } = commandsLeft;
  if (stored.length + consumers.length > 0) complain('every command is settled', 'COMMANDS', [...stored, ...consumers].join('; '));
  for (const letter of deadLetters) {
    if (!isOfFailedRun(letter) && !isPlannedRefusal(letter, evidence))
      complain('no dead letter that was not planned', 'DEAD_LETTERS', letter.text);
  }
  checkFailures(evidence, complain);
  for (const problem of problems) complain('nothing else goes wrong', 'the scenario', problem);
}

/**
 * Each life of a run that failed is one dead letter. A process may die before it has written that, and somebody may begin the run anew before
 * another process would: then the letter is not needed any more.
 */
function checkFailures({ runs, deadLetters }: Evidence, complain: Complain): void {
  const lettersOf = Map.groupBy(deadLetters.filter(isOfFailedRun), ({ run }) => run);
  for (const run of new Set([...runs.keys(), ...lettersOf.keys()])) {
    const written = (lettersOf.get(run) ?? []).map(({ command }) => command);
    for (const [index, { event, sequence }] of (runs.get(run) ?? []).entries()) {
      if (event.data.outcome !== 'failed') continue;
      const place = written.indexOf(event.data.lease.command || sequence);
      if (place >= 0) written.splice(place, 1);
      else if (index + 1 === runs.get(run)!.length) complain('a run that failed is one dead letter, each time', run, 'there is none');
    }
    if (written.length > 0) complain('a run that failed is one dead letter, each time', run, `another one because of ${written}`);
  }
}

const isOfFailedRun = ({ origin, code }: Letter): boolean => origin === 'run' && code === 'RUN_FAILED';

/** A wake is not taken back when its run has ended otherwise: it finds that out at its time. */
function isWakeOfEnded(subject: string, runs: Evidence['runs']): boolean {
  const [, jobType, what, runId] = subject.split('.');
  return what === 'wake' && runs.get(`${jobType}/${runId}`)?.at(-1)?.event.data.outcome !== undefined;
}
