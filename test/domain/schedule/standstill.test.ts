/** All schedules paused at once: whose word counts, and what is told of it later. */
import { expect, it } from 'vitest';
import { type Instant, instant } from '../../../src/domain/ids.ts';
import {
  goOn,
  NO_STANDSTILL,
  recordedStandstills,
  type Standstill,
  type StandstillState,
  standStill,
} from '../../../src/domain/schedule/standstill.ts';

const at = (minute: number): Instant => instant(Date.UTC(2026, 10, 23, 1, minute));
const byFile = (minute: number): Standstill => ({
  since: at(minute),
  cause: 'file',
  note: 'the file /v/.aclarai_pause: remove it to resume',
});
const byAda = (minute: number): Standstill => ({ since: at(minute), cause: 'operator', note: 'moving', actor: { who: 'ada' } });

/** Each change as the log has it. */
function logged(...changes: ((state: StandstillState) => StandstillState | undefined)[]): StandstillState[] {
  const states: StandstillState[] = [];
  for (const change of changes) {
    const next = change(states.at(-1) ?? NO_STANDSTILL);
    if (next !== undefined) states.push(next);
  }
  return states;
}
const stop = (standstill: Standstill) => (state: StandstillState) => standStill(state, standstill);
const go = (minute: number) => (state: StandstillState) => goOn(state, at(minute));

it('each is told once, with its beginning, its end, who and why', () => {
  const states = logged(stop(byFile(1)), go(5), go(6), stop(byAda(10)), go(20), stop(byFile(30)));
  expect(recordedStandstills(states)).toEqual([{ ...byFile(1), until: at(5) }, { ...byAda(10), until: at(20) }, byFile(30)]);
  expect(recordedStandstills([])).toEqual([]);
});

it("a person who takes over from a file has the last word; a file has none over a person's", () => {
  const states = logged(stop(byFile(1)), stop(byAda(3)), stop(byFile(4)), go(9));
  expect(recordedStandstills(states)).toEqual([{ ...byAda(1), until: at(9) }]);
});

it('one that begins as another ends is another one', () => {
  expect(recordedStandstills(logged(stop(byAda(1)), go(1), stop(byAda(1)), go(2)))).toEqual([
    { ...byAda(1), until: at(1) },
    { ...byAda(1), until: at(2) },
  ]);
});
