/** Every occurrence ends in exactly one recorded fate, whatever happens to processes, pauses and clocks. */
import { describe, expect, it } from 'vitest';
import { type Instant, instant, jobTypeId, type RunId, scheduleId } from '../../../src/domain/ids.ts';
import { decideDue, MOST_WAITING, nextLook, type Suspension, type Verdict } from '../../../src/domain/schedule/due.ts';
import { isExcluded } from '../../../src/domain/schedule/exclusions.ts';
import type { Entry, Stretch } from '../../../src/domain/schedule/ledger.ts';
import { occurrencesAfter } from '../../../src/domain/schedule/occurrences.ts';
import { type CatchUp, DEFAULT_CATCH_UP, OVERLAPS, type ScheduleSpec, type ScheduleState } from '../../../src/domain/schedule/schedule.ts';
import type { Timing, Trigger } from '../../../src/domain/schedule/timing.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const at = (text: string) => instant(Date.parse(text));
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const timing = (trigger: Trigger, more: Partial<Timing> = {}): Timing => ({
  trigger,
  timeZone: 'UTC',
  dst: { gap: 'run-after', overlap: 'first' },
  exclusions: [],
  jitterMs: 0,
  ...more,
});
const hourly = timing({ kind: 'cron', cron: '0 * * * *' });

function schedule(spec: Partial<ScheduleSpec> = {}, since = at('2026-11-23T00:00:00Z')): ScheduleState {
  return {
    id: scheduleId('s'),
    spec: {
      jobType: jobTypeId('job'),
      timing: hourly,
      input: {},
      lane: 'normal',
      catchUp: DEFAULT_CATCH_UP,
      overlap: 'allow-all',
      pauseAfterFailures: 0,
      ...spec,
    },
    revision: 1,
    owner: 'operator',
    status: 'active',
    decidedUntil: since,
    waiting: [],
    running: [],
    failures: 0,
  };
}
const none: ReadonlyMap<RunId, string> = new Map();
const decide = (state: ScheduleState, now: string, ended = none, suspensions: Suspension[] = []) =>
  decideDue(state, { now: at(now), ended, suspensions })!;
const told = ({ entries, stretches }: Verdict) => [
  ...entries.map(({ dueAt, fate, rule }) => `${new Date(dueAt).toISOString().slice(8, 16)} ${fate} ${rule}`),
  ...stretches.map(
    ({ from, to, fate, rule }) => `${new Date(from).toISOString().slice(8, 16)}–${new Date(to).toISOString().slice(8, 16)} ${fate} ${rule}`,
  ),
];
const catchUp = (policy: CatchUp['policy'], more: Partial<CatchUp> = {}): CatchUp => ({ ...DEFAULT_CATCH_UP, policy, ...more });

describe('catch-up', () => {
  const gap = { windowMs: 3 * HOUR };
  it.each<[string, CatchUp, string[]]>([
    [
      'none',
      catchUp('none', gap),
      ['23T01:00 missed window', '23T02:00 missed window', '23T03:00 missed window', '23T04:00 missed window'],
    ],
    [
      'latest',
      catchUp('latest', gap),
      ['23T01:00 missed window', '23T02:00 coalesced coalesce', '23T03:00 coalesced coalesce', '23T04:00 started catch-up'],
    ],
    ['all, one at a time', catchUp('all', gap), ['23T01:00 missed window', '23T02:00 started catch-up']],
    [
      'all, but for too many',
      catchUp('all', { ...gap, cap: 2 }),
      ['23T01:00 missed window', '23T02:00 missed cap', '23T03:00 started catch-up'],
    ],
  ])('%s', (_, policy, expected) => {
    expect(told(decide(schedule({ catchUp: policy }), '2026-11-23T04:30:00Z'))).toEqual(expected);
  });

  it('of all drips, and goes on where it was', () => {
    const first = decide(schedule({ catchUp: catchUp('all', { windowMs: 3 * HOUR, dripMs: 5_000 }) }), '2026-11-23T03:30:00Z');
    expect(told(first)).toEqual(['23T01:00 started catch-up']);
    expect(nextLook(first.state)).toBe(at('2026-11-23T03:30:05Z'));
    expect(decideDue(first.state, { now: at('2026-11-23T03:30:04Z'), ended: none, suspensions: [] })).toBeUndefined();
    const second = decide(first.state, '2026-11-23T03:30:05Z');
    expect(told(second)).toEqual(['23T02:00 started catch-up']);
    const third = decide(second.state, '2026-11-23T03:30:10Z');
    expect(told(third)).toEqual(['23T03:00 started catch-up']);
    expect(nextLook(third.state)).toBe(at('2026-11-23T04:00:00Z'));
  });

  it('of a year of seconds is a stretch, not a storm', () => {
    const everySecond = timing({ kind: 'interval', everyMs: 1_000, anchor: instant(0) });
    const verdict = decide(schedule({ timing: everySecond }), '2027-11-23T00:00:00Z');
    expect(told(verdict)).toEqual(
      ['23T00:00 started catch-up', '23T00:00–22T23:54 missed window', '22T23:55–22T23:59 coalesced coalesce'].map((line) =>
        line.replace('started catch-up', 'started on-time'),
      ),
    );
    expect(verdict.effects).toHaveLength(1);
  });

  it('says what was paused, and what was missed', () => {
    const verdict = decide(schedule({ catchUp: catchUp('latest') }), '2026-11-23T05:30:00Z', none, [
      { since: at('2026-11-23T01:30:00Z'), until: at('2026-11-23T03:30:00Z') },
    ]);
    expect(told(verdict)).toEqual([
      '23T01:00 missed window',
      '23T02:00 paused pause',
      '23T03:00 paused pause',
      '23T04:00 missed window',
      '23T05:00 missed window',
    ]);
  });
});

describe('overlap', () => {
  const busy = (spec: Partial<ScheduleSpec>) => decide(schedule(spec), '2026-11-23T01:00:00Z').state;
  const runOne = 's-20261123t010000z' as RunId;
  it('skip', () => {
    const verdict = decide(busy({ overlap: 'skip' }), '2026-11-23T02:00:00Z');
    expect(verdict.entries).toMatchObject([{ fate: 'skipped', rule: 'overlap', because: runOne }]);
    expect(told(decide(verdict.state, '2026-11-23T03:00:00Z', new Map([[runOne, 'succeeded']])))).toEqual(['23T03:00 started on-time']);
  });
  it('buffer one', () => {
    const waits = decide(busy({ overlap: 'buffer-one' }), '2026-11-23T02:00:00Z');
    expect(told(waits)).toEqual([]);
    const full = decide(waits.state, '2026-11-23T03:00:00Z');
    expect(told(full)).toEqual(['23T03:00 skipped buffer-full']);
    const freed = decide(full.state, '2026-11-23T03:10:00Z', new Map([[runOne, 'succeeded']]));
    expect(freed.entries).toMatchObject([{ dueAt: at('2026-11-23T02:00:00Z'), fate: 'started', rule: 'buffer', lateMs: 70 * MINUTE }]);
  });
  it('cancel other', () => {
    const first = decide(busy({ overlap: 'cancel-other' }), '2026-11-23T02:00:00Z');
    expect(first.effects).toEqual([{ type: 'cancel', runId: runOne }]);
    const second = decide(first.state, '2026-11-23T03:00:00Z');
    expect(told(second)).toEqual(['23T02:00 skipped superseded']);
    expect(second.effects).toEqual([]);
    expect(told(decide(second.state, '2026-11-23T03:00:05Z', new Map([[runOne, 'cancelled']])))).toEqual(['23T03:00 started buffer']);
  });
});

it('pauses itself after failures in a row', () => {
  let state = schedule({ pauseAfterFailures: 2, overlap: 'skip' });
  for (const hour of ['01', '02']) {
    const last = state.running.at(-1)?.runId;
    ({ state } = decide(state, `2026-11-23T${hour}:00:00Z`, new Map(last ? [[last, 'failed']] : [])));
    expect(state.status).toBe('active');
  }
  const verdict = decide(state, '2026-11-23T03:00:00Z', new Map([[state.running.at(-1)!.runId, 'failed']]));
  expect(verdict.state).toMatchObject({ status: 'paused', pause: { note: '2 runs in a row have ended badly' } });
  expect(verdict.effects).toEqual([]);
});

describe('whatever happens', () => {
  it.each(Array.from({ length: Number(process.env.ALMANAC_DUE_SEEDS ?? 300) }, (_, seed) => seed))('seed %i', (seed) => {
    const random = new SeededRandom(`due ${seed}`);
    const trigger: Trigger = random.pick<Trigger>([
      { kind: 'cron', cron: random.pick(['*/5 * * * *', '0 * * * *', '30 2 * * *', '0,1,2 3 * * *', '0 0 * * 1']) },
      { kind: 'interval', everyMs: random.pick([1_000, 7_000, 600_000]), anchor: instant(1_700_000_000_123) },
    ]);
    const since = at('2026-03-27T00:00:00Z');
    const spec: Partial<ScheduleSpec> = {
      timing: timing(trigger, { exclusions: random.chance(0.3) ? ['2026-03-28'] : [], jitterMs: random.chance(0.3) ? 900 : 0 }),
      catchUp: {
        policy: random.pick(['none', 'latest', 'all']),
        windowMs: random.pick([1_000, 300_000, 6 * HOUR]),
        cap: random.pick([1, 3, 50]),
        dripMs: random.pick([0, 1_000, 30_000]),
      },
      overlap: random.pick(OVERLAPS),
    };
    let state = schedule(spec, since);
    let now = since;
    const suspensions: { since: Instant; until?: Instant }[] = [];
    const entries: Entry[] = [];
    const stretches: Stretch[] = [];
    const started = new Set<RunId>();
    for (let step = 0; step < 60; step++) {
      const look = nextLook(state);
      if (random.chance(0.6) && look !== undefined) now = Math.max(now, look) as Instant;
      else now = instant(now + (random.chance(0.1) ? -random.int(3 * HOUR) : random.int(random.pick([2_000, 10 * MINUTE, 12 * HOUR]))));
      if (random.chance(0.05)) {
        const open = suspensions.at(-1);
        if (open !== undefined && open.until === undefined)
          suspensions[suspensions.length - 1] = { ...open, until: Math.max(now, open.since) as Instant };
        else if (open === undefined || now > open.until!) suspensions.push({ since: now });
      }
      const ended = new Map(state.running.filter(() => random.chance(0.5)).map(({ runId }) => [runId, 'succeeded'] as const));
      const verdict = decideDue(state, { now, ended, suspensions });
      if (verdict === undefined) continue;
      expect(verdict.state.decidedUntil).toBeGreaterThanOrEqual(state.decidedUntil);
      state = verdict.state;
      entries.push(...verdict.entries);
      stretches.push(...verdict.stretches);
      for (const effect of verdict.effects) {
        if (effect.type !== 'start') continue;
        expect(started).not.toContain(effect.occurrence.runId);
        started.add(effect.occurrence.runId);
      }
      expect(state.waiting.length).toBeLessThanOrEqual(MOST_WAITING);
    }
    const waiting = new Set(state.waiting.map(({ dueAt }) => dueAt));
    const byTime = Map.groupBy(entries, ({ dueAt }) => dueAt);
    const inOrder = stretches.toSorted((one, other) => one.from - other.from);
    expect(inOrder.filter(({ from }, index) => from <= (inOrder[index - 1]?.to ?? since))).toEqual([]);
    let place = 0;
    let occurrences = 0;
    const wrong: string[] = [];
    for (const dueAt of occurrencesAfter(state.spec.timing, since, state.decidedUntil)) {
      occurrences++;
      const own = byTime.get(dueAt) ?? [];
      while (place < inOrder.length && inOrder[place]!.to < dueAt) place++;
      const within = place < inOrder.length && inOrder[place]!.from <= dueAt;
      const fates = own.length + (within ? 1 : 0) + (waiting.has(dueAt) ? 1 : 0);
      if (fates !== 1) wrong.push(`${new Date(dueAt).toISOString()} has ${fates} fates`);
      if (own.length > 0 && own[0]!.fate !== 'excluded' && isExcluded(state.spec.timing, dueAt))
        wrong.push(`${own[0]!.fate} while excluded`);
      byTime.delete(dueAt);
    }
    expect(wrong).toEqual([]);
    expect([...byTime.keys()], 'nothing is invented').toEqual([]);
    expect(occurrences === 0 && entries.length > 0).toBe(false);
  });
});
