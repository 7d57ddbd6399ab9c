/** A checker that cannot fail is worth nothing: a good history, broken in each way, and what it says of it. */
import { expect, it } from 'vitest';
import { check } from './checker.ts';
import type { Evidence } from './evidence.ts';
import { at, type Editable, evidenceOf, goodRun, type Scene } from './good-history.ts';

const rules = (evidence: Evidence) => [...new Set(check(evidence).map(({ rule }) => rule))];
const scenes = (): [Scene, Scene] => [goodRun('r1'), goodRun('r2')];
type Change = (first: Scene, second: Scene) => void;
const changed = (change: Change): Evidence => {
  const [first, second] = scenes();
  change(first, second);
  return evidenceOf([first, second]);
};
const data = (scene: Scene, revision: number): Editable['data'] => scene.events[revision - 1]!.stored.data;
const snapshot = (scene: Scene, revision: number) => data(scene, revision).snapshot as unknown as Record<string, never>;
const edit = <Field extends keyof Editable>(scene: Scene, revision: number, field: Field, value: Editable[Field]) => {
  scene.events[revision - 1]!.stored[field] = value;
};

it('of a history in which everything went right it has nothing to say', () => {
  expect(check(evidenceOf(scenes()))).toEqual([]);
});

it.each<[string, string, Change]>([
  ['an event is missing', 'revisions count up without gaps', ({ events }) => events.splice(1, 1)],
  ['the first event is missing', 'a run is started once, by its first event', ({ events }) => events.splice(0, 1)],
  ['a run starts again', 'a run is started once, by its first event', (run) => edit(run, 2, 'type', 'almanac.run.started')],
  ['an event is there twice', 'no event is in the log twice', (run) => edit(run, 2, 'id', 'r1-1')],
  ['an event of another run', 'an event stands on its own subject', (run) => edit(run, 2, 'subject', 'job/r2')],
  ['an unknown type', 'every event is of a known type', (run) => edit(run, 3, 'type', 'almanac.run.jumped')],
  ['from is elsewhere', 'from is where the run was', (run) => (data(run, 3).from = 'resting')],
  ['to is elsewhere', 'to is where the snapshot is', (run) => (data(run, 3).to = 'succeeded')],
  ['an end that is none', 'the last event says that the run is final', (run) => edit(run, 3, 'type', 'almanac.run.finished')],
  ['an end that looks like none', 'the last event says that the run is final', (run) => edit(run, 4, 'type', 'almanac.run.transitioned')],
  ['more after the end', 'nothing follows the end of a run', ({ events }) => events.push(structuredClone(events[3]!))],
  ['a timer fires twice', 'no transition twice', ({ events }) => events.push(structuredClone(events[3]!))],
  ['an activity has two results', 'no transition twice', ({ events }) => events.splice(3, 0, structuredClone(events[2]!))],
  [
    'a result nobody waits for',
    'a result answers an activity that was asked for',
    (run) => (data(run, 3).cause = { activity: 'work', visit: 9 }),
  ],
  ['a timer nobody armed', 'a timer that fires was armed', (run) => (data(run, 4).cause = { timer: 'other', visit: 2 })],
  ['a timer fires early', 'no timer fires early', (run) => edit(run, 4, 'time', at(139))],
  ['a take-over heard something', 'an event says what was heard', (run) => (data(run, 2).event = { type: 'x' })],
  ['a transition heard nothing', 'an event says what was heard', (run) => delete data(run, 3).event],
  ['a take-over changes the state', 'a take-over changes nothing', (run) => (snapshot(run, 2).context = { ms: 6 } as never)],
  ['another outcome', 'the outcome is the final state', (run) => (data(run, 4).outcome = 'failed')],
  ['another beginning', 'startedAt stays what it was', (run) => (data(run, 3).startedAt = at(1))],
  ['another definition', 'a run keeps its definition', (run) => (data(run, 3).definition = 'v2')],
  ['the old holder goes on', 'only the holder writes', (run) => edit(run, 3, 'source', 'a')],
  ['a holder with another lease', 'a holder has one lease', (run) => (data(run, 3).lease = { command: 1, delivery: 3, term: 2 })],
  ['two holders with one term', 'terms count who took over', (run) => (data(run, 2).lease = { command: 1, delivery: 2, term: 1 })],
  ['another context', 'the fold is the snapshot', (run) => (snapshot(run, 3).context = { ms: 6 } as never)],
  [
    'another state',
    'the fold is the snapshot',
    (run) => Object.assign(data(run, 4), { to: 'failed', outcome: 'failed', snapshot: { ...snapshot(run, 4), value: 'failed' } }),
  ],
  ['a timer too many', 'the fold is the snapshot', (run) => (snapshot(run, 1).timers = { more: { visit: 2, dueAt: 1 } } as never)],
  [
    'a timer at another time',
    'the fold is the snapshot',
    (run) => (snapshot(run, 3).timers = { 'xstate.after.pauseMs.job.resting': { visit: 2, dueAt: 1 } } as never),
  ],
  ['an activity too few', 'the fold is the snapshot', (run) => (snapshot(run, 1).activities = {} as never)],
  [
    'an attempt that nobody asked for',
    'every attempt is in the log',
    ({ effects }) => effects.push({ ...effects[0]!, visit: 8, key: 'r1/work/8' }),
  ],
  ['an attempt before its event', 'append first, act second', ({ events }) => (events[0]!.storedAtMs += 50)],
  ['a result without an attempt', 'every result is of an activity that ended', ({ effects }) => effects.splice(1, 2)],
  [
    'a result of another process',
    'every result is of an activity that ended',
    ({ effects }) => (effects[2] = { ...effects[2]!, source: 'a' }),
  ],
  [
    'a result before its attempt ended',
    'every result is of an activity that ended',
    ({ effects }) => (effects[2] = { ...effects[2]!, at: effects[2]!.at + 50 }),
  ],
  [
    'a result where the attempt failed',
    'every result is of an activity that ended',
    ({ effects }) => (effects[2] = { ...effects[2]!, what: 'threw' }),
  ],
  ['another key', 'the idempotency key names the visit', ({ effects }) => (effects[0] = { ...effects[0]!, key: 'r1/work/2' })],
  ['a run that stands still', 'no run is lost', ({ events }) => events.pop()],
  ['a run that never started', 'no run is lost', (run) => Object.assign(run, { events: [], effects: [] })],
])('%s: %s', (_, rule, change) => {
  expect(rules(changed(change))).toContain(rule);
});

it.each<[string, string, Partial<Evidence>]>([
  ['a command that is left', 'every command is settled', { commandsLeft: { stored: ['1 cmd.job.start.normal'], consumers: [] } }],
  ['a command that is held', 'every command is settled', { commandsLeft: { stored: [], consumers: ['start-job-normal {}'] } }],
  ['a dead letter', 'no dead letter that was not planned', { deadLetters: [{ run: 'job/r1', code: 'RUN_FAILED', text: '' }] }],
  ['a worker that crashed', 'nothing else goes wrong', { problems: ['a worker ended by itself, with 1'] }],
  ['a run nobody asked for', 'nothing runs that nobody asked for', { expected: [] }],
  ['a job type nobody knows', 'every run is of a known job type', { machines: {} }],
  ['too many runs at once', 'no more runs at once than allowed', { limits: { job: 1 } }],
])('%s: %s', (_, rule, more) => {
  expect(rules(evidenceOf(scenes(), more))).toEqual([rule]);
});

it('a run with another outcome or input than it was to have', () => {
  const { expected, ...evidence } = evidenceOf(scenes());
  const [first, second] = expected;
  expect(rules({ ...evidence, expected: [{ ...first!, outcome: 'failed' }, second!] })).toEqual(['a run ends as its input says']);
  expect(rules({ ...evidence, expected: [{ ...first!, input: { ms: 6 } as never }, second!] })).toEqual([
    'a run has the input it was given',
  ]);
});

it('an event that was changed, and one whose hash was: the chain is broken', () => {
  const [first, second] = scenes();
  const whole = evidenceOf([first, second]);
  const history = whole.runs.get('job/r1')!;
  const altered = [{ ...history[0]!, bytes: Buffer.from(JSON.stringify({ ...history[0]!.event, source: 'c' })) }, ...history.slice(1)];
  expect(rules({ ...whole, runs: new Map(whole.runs).set('job/r1', altered) })).toEqual(['the hash chain is whole']);
  first.events[2]!.stored.data.previous = 'f'.repeat(64);
  expect(rules(evidenceOf([first, second], {}, false))).toContain('the hash chain is whole');
});

it('an execution ends when another process takes the run over, or when its own process dies, but not before', () => {
  const alone = ({ effects }: Scene) => effects.splice(1); // never heard of again
  const [first, second] = scenes();
  alone(first);
  alone(second);
  const limits = { limits: { job: 1 } };
  const together = evidenceOf([first, second], limits);
  const concurrency = (evidence: Evidence) => rules(evidence).filter((rule) => rule === 'no more runs at once than allowed');
  expect(concurrency(together)).toHaveLength(1);
  for (const event of second.events) event.storedAtMs += 100;
  second.effects[0] = { ...second.effects[0]!, at: second.effects[0]!.at + 100 };
  expect(concurrency(evidenceOf([first, second], limits))).toEqual([]); // the first was taken over before
  first.events.splice(1, 1);
  for (const { stored } of first.events) stored.source = 'a';
  expect(concurrency(evidenceOf([first, second], limits))).toHaveLength(1);
  const deaths = [{ source: 'a', at: first.effects[0]!.at + 10, signal: 'SIGKILL' as const }];
  expect(concurrency(evidenceOf([first, second], { ...limits, deaths }))).toEqual([]);
});

it('a signal may come from anybody, and changes nothing about who holds the run', () => {
  const [first, second] = scenes();
  const [, , work] = first.events;
  const signal = structuredClone(work!);
  Object.assign(signal.stored, { id: 'signal', source: 'c' });
  Object.assign(signal.stored.data, { from: 'working', cause: { command: 99 }, event: { type: 'unheard' }, to: 'working' });
  Object.assign(signal.stored.data, { snapshot: first.events[1]!.stored.data.snapshot });
  first.events.splice(2, 0, signal);
  for (const [index, { stored }] of first.events.entries()) stored.data.revision = index + 1;
  expect(check(evidenceOf([first, second]))).toEqual([]);
});

it('of a process whose clock was set back it believes that a timer fired early', () => {
  const [first, second] = scenes();
  edit(first, 4, 'time', at(139));
  expect(check(evidenceOf([first, second], { clocksSetBack: new Set(['b']) }))).toEqual([]);
});
