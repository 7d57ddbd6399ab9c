/** What was told to runs from outside, against the log and the dead letters. */
import type { Evidence, Letter, Stored } from '../evidence.ts';
import { runOf } from './effect-checks.ts';
import { causeKind } from './event-kinds.ts';

type Complain = (rule: string, where: string, detail: string) => void;

/** How long whoever holds a run may take to hear that it was cancelled. */
const HEARING_MS = 1_000;
const REFUSALS: ReadonlySet<string> = new Set(['RUN_FINISHED', 'EVENT_REFUSED']);

export function checkSignals(evidence: Evidence, complain: Complain): void {
  const heard = heardCommands(evidence);
  const letters = Map.groupBy(
    evidence.deadLetters.filter(({ origin }) => origin === 'signal'),
    ({ command }) => command,
  );
  const sent = new Map(evidence.signals.flatMap((signal) => [...signal.commands].map((command) => [command, signal])));
  for (const [command, signal] of sent) {
    if (signal.type === 'restart') continue; // what has not ended badly, it leaves alone
    const told = (heard.get(command) ?? []).filter(({ run }) => run === signal.run);
    const refused = letters.get(command) ?? [];
    const what = `${signal.type} (${command})`;
    if (told.length + refused.length !== 1 && !wasInterrupted(evidence, refused, told))
      complain(
        'a signal is heard once, or refused once',
        signal.run,
        `${what}: heard ${told.length} times, refused ${refused.length} times`,
      );
  }
  for (const [command, runs] of heard) {
    const known = sent.has(command) || evidence.outages.some(({ source }) => source === undefined); // its sender may have got no answer
    if (!known) complain('nobody hears what nobody said', runs[0]!.run, `command ${command}`);
  }
  checkCancelled(evidence, complain);
}

/**
 * A refusal is a dead letter first and acknowledged then: a process that ends, or is cut off, in between leaves the signal to another one,
 * which may find the run in a state that listens to it.
 */
function wasInterrupted({ deaths, outages }: Evidence, refused: readonly Letter[], told: readonly Heard[]): boolean {
  if (refused.length !== 1 || told.length !== 1) return false;
  const [from, to] = [refused[0]!.storedAtMs, told[0]!.storedAtMs];
  const fails = [...deaths.map(({ signalledAt, at }) => ({ from: signalledAt, to: at })), ...outages];
  return from < to && fails.some((fault) => fault.from <= to && fault.to >= from);
}

/** Whether a dead letter had to be expected. */
export function isPlannedRefusal({ origin, code, command }: Letter, { signals, outages }: Pick<Evidence, 'signals' | 'outages'>): boolean {
  const about = signals.find(({ commands }) => commands.has(command));
  if (origin === 'command') return about?.type === 'restart' && code === 'RUN_UNKNOWN';
  if (origin !== 'signal') return false;
  const answerLost = about === undefined && outages.some(({ source }) => source === undefined);
  if (code === 'RUN_UNKNOWN') return about?.early === true || answerLost;
  return REFUSALS.has(code) && (about !== undefined || answerLost);
}

interface Heard {
  readonly run: string;
  readonly storedAtMs: number;
}

/** By the command of the signal: the runs that heard it. */
function heardCommands({ runs }: Pick<Evidence, 'runs'>): Map<number, Heard[]> {
  const heard = new Map<number, Heard[]>();
  for (const [run, history] of runs) {
    for (const { event, storedAtMs } of history) {
      const { cause } = event.data;
      if (causeKind(event) === 'signal' && 'command' in cause)
        heard.set(cause.command, [...(heard.get(cause.command) ?? []), { run, storedAtMs }]);
    }
  }
  return heard;
}

/** An activity may only begin after the end of its run where nobody could hear of it yet. */
function checkCancelled({ runs, effects, outages }: Pick<Evidence, 'runs' | 'effects' | 'outages'>, complain: Complain): void {
  const started = Map.groupBy(
    effects.filter(({ what }) => what === 'started'),
    runOf,
  );
  for (const [run, history] of runs) {
    for (const { from, to } of cancelledTimes(history)) {
      for (const { at, source, activity, visit } of started.get(run) ?? []) {
        if (at <= from + HEARING_MS || at >= to) continue;
        const deaf = outages.some((outage) => (outage.source ?? source) === source && outage.from <= at && outage.to + HEARING_MS >= from);
        if (!deaf) complain('what is cancelled begins nothing', run, `${activity} of visit ${visit} began ${at - from} ms later`);
      }
    }
  }
}

function cancelledTimes(history: readonly Stored[]): { from: number; to: number }[] {
  return history.flatMap(({ event, storedAtMs }, index) =>
    event.data.outcome === 'cancelled' ? [{ from: storedAtMs, to: history[index + 1]?.storedAtMs ?? Number.POSITIVE_INFINITY }] : [],
  );
}
