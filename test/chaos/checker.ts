/** Judges what happened by the invariants of the design. Table-driven: see `checks/event-kinds.ts` for the types of events. */
import { isDeepStrictEqual } from 'node:util';
import { checkConcurrency } from './checks/concurrency-check.ts';
import { checkEffects } from './checks/effect-checks.ts';
import type { Finding } from './checks/finding.ts';
import { checkFold } from './checks/fold-check.ts';
import { checkLog } from './checks/log-checks.ts';
import type { Evidence } from './evidence.ts';

export function check(evidence: Evidence): Finding[] {
  const findings: Finding[] = [];
  const complain = (rule: string, where: string, detail: string) => void findings.push({ rule, where, detail });
  for (const [key, history] of evidence.runs) {
    const about = (rule: string, detail: string) => complain(rule, key, detail);
    checkLog(history, { key, clocksSetBack: evidence.clocksSetBack }, about);
    const machine = evidence.machines[key.split('/')[0]!];
    if (machine === undefined) about('every run is of a known job type', key);
    else checkFold(machine, history, about);
  }
  checkIds(evidence, complain);
  checkOutcomes(evidence, complain);
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
function checkOutcomes({ runs, expected }: Evidence, complain: Complain): void {
  const asked = new Set<string>();
  for (const { jobType, runId, input, outcome } of expected) {
    const key = `${jobType}/${runId}`;
    asked.add(key);
    const history = runs.get(key);
    if (history === undefined) {
      complain('no run is lost', key, 'it never started');
      continue;
    }
    const { data } = history.at(-1)!.event;
    if (data.snapshot.status === 'active') complain('no run is lost', key, `it stands still in ${data.to}`);
    else if (data.outcome !== outcome) complain('a run ends as its input says', key, `${data.outcome}, expected ${outcome}`);
    if (!isDeepStrictEqual(history[0]!.event.data.input, input)) complain('a run has the input it was given', key, JSON.stringify(input));
  }
  for (const key of runs.keys()) if (!asked.has(key)) complain('nothing runs that nobody asked for', key, '');
}

function checkRemains({ runs, commandsLeft, deadLetters, problems }: Evidence, complain: Complain): void {
  const { stored, consumers } = commandsLeft;
  if (stored.length + consumers.length > 0) complain('every command is settled', 'COMMANDS', [...stored, ...consumers].join('; '));
  for (const { run, code, text } of deadLetters) {
    const planned = code === 'RUN_FAILED' && runs.get(run)?.at(-1)?.event.data.outcome === 'failed';
    if (!planned) complain('no dead letter that was not planned', 'DEAD_LETTERS', text);
  }
  for (const [key, history] of runs) {
    if (history.at(-1)!.event.data.outcome !== 'failed') continue;
    const letters = deadLetters.filter(({ run }) => run === key).length;
    if (letters !== 1) complain('a run that failed is one dead letter', key, `${letters} letters`);
  }
  for (const problem of problems) complain('nothing else goes wrong', 'the scenario', problem);
}
