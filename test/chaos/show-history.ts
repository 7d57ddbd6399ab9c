/** The history of a run with what its activities wrote down, in order of time: to be read by whoever has to explain a finding. */
import { runOf } from './checks/effect-checks.ts';
import type { Evidence } from './evidence.ts';

export function showHistory({ runs, effects }: Pick<Evidence, 'runs' | 'effects'>, run: string): string[] {
  const lines = (runs.get(run) ?? []).map(({ sequence, storedAtMs, event: { type, source, time, data } }) => {
    const { revision, lease, cause, to } = data;
    const what = `${type.replace('almanac.run.', '')} → ${to} because of ${JSON.stringify(cause)}`;
    return {
      at: storedAtMs,
      text: `${sequence} #${revision} ${short(source)} ${lease.command}/${lease.delivery}/${lease.term} ${what}, its clock ${time}`,
    };
  });
  const done = effects
    .filter((effect) => runOf(effect) === run)
    .map(({ at, source, what, activity, visit }) => ({ at, text: `    ${short(source)} ${activity} of visit ${visit} ${what}` }));
  return [...lines, ...done].sort((a, b) => a.at - b.at).map(({ at, text }) => `${new Date(at).toISOString().slice(11, 23)} ${text}`);
}

const short = (source: string): string => source.split('/').at(-1)!;
