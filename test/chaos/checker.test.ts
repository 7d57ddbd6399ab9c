/** A checker that cannot fail is worth nothing: a good history, broken in each way, and what it says of it. */
import { expect, it } from 'vitest';
import { check } from './checker.ts';
import type { Evidence, Letter, SentSignal } from './evidence.ts';
import { at, type Editable, eventfulRun, evidenceOf, goodRun, type Scene } from './good-history.ts';

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

const letter = (more: Partial<Letter>): Letter => ({
  origin: 'signal',
  run: 'job/r1',
  code: 'RUN_FINISHED',
  command: 50,
  storedAtMs: Date.parse(at(50)),
  text: '',
  ...more,
});

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
  ['a command that is left', 'every command is settled', { commandsLeft: { stored: ['cmd.job.start.normal'], consumers: [] } }],
  ['a command that is held', 'every command is settled', { commandsLeft: { stored: [], consumers: ['start-job-normal {}'] } }],
  ['a dead letter', 'no dead letter that was not planned', { deadLetters: [letter({ origin: 'command', code: 'INPUT_INVALID' })] }],
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
  expect(rules({ ...evidence, expected: [{ ...first!, outcomes: ['failed'] }, second!] })).toEqual(['a run ends as its input says']);
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
  const from = first.effects[0]!.at - 10;
  const crashed = (source: string | undefined, to: number) =>
    concurrency(evidenceOf([first, second], { ...limits, outages: [{ source, from, to }] }));
  expect(crashed(undefined, second.effects[0]!.at)).toEqual([]); // the server may have forgotten that it delivered the first
  expect(crashed(undefined, second.effects[0]!.at - 2_000)).toHaveLength(1);
  expect(crashed('a', second.effects[0]!.at)).toHaveLength(1);
  const diedAt = first.effects[0]!.at + 10;
  const deaths = [{ source: 'a', signalledAt: diedAt, at: diedAt, signal: 'SIGKILL' as const }];
  expect(concurrency(evidenceOf([first, second], { ...limits, deaths }))).toEqual([]);
});

it('an execution that begins after another process took the run over does not count: its process was stopped meanwhile', () => {
  const [first, second] = scenes();
  const awoken = { ...first.effects[0]!, at: first.events[1]!.storedAtMs + 5 };
  first.effects = [awoken];
  second.effects.shift();
  const found = () => rules(evidenceOf([first, second], { limits: { job: 1 } })).includes('no more runs at once than allowed');
  expect(found()).toBe(false);
  for (const { stored } of first.events) stored.source = awoken.source;
  expect(found()).toBe(true);
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
  const signals = [{ run: 'job/r1', type: 'unheard', commands: new Set([99]), early: false }];
  expect(check(evidenceOf([first, second], { signals }))).toEqual([]);
});

it('of a process whose clock was set back it believes that a timer fired early', () => {
  const [first, second] = scenes();
  edit(first, 4, 'time', at(139));
  expect(check(evidenceOf([first, second], { clocksSetBack: new Set(['b']) }))).toEqual([]);
});

const TOLD: readonly SentSignal[] = [
  { run: 'job/r1', type: 'note', commands: new Set([50]), early: false },
  { run: 'job/r1', type: 'cancel', commands: new Set([51]), early: false },
  { run: 'job/r1', type: 'restart', commands: new Set([3]), early: false },
];
const eventful = (change: (run: Scene) => void = () => undefined, more: Partial<Evidence> = {}): Evidence => {
  const run = eventfulRun('r1');
  change(run);
  for (const [index, { stored }] of run.events.entries()) stored.data.revision = index + 1;
  return evidenceOf([run], { signals: TOLD, ...more });
};
const DOWN = { source: undefined, from: 0, to: 1 };

it('of a run that was parked, told things, cancelled, begun anew and adopted it has nothing to say', () => {
  expect(check(eventful())).toEqual([]);
});

it.each<[string, string, (run: Scene) => void]>([
  [
    'a parked run goes on without being woken',
    'a parked run is nobody’s',
    ({ events }) => events.splice(3, 2, structuredClone(events[9]!)),
  ],
  ['the holder of before writes to a parked run', 'only the holder writes', ({ events }) => events.splice(4, 5)],
  ['it is woken early', 'a parked run is woken at its time', (run) => edit(run, 5, 'time', at(89))],
  ['it is woken late', 'a parked run is woken at its time', ({ events }) => (events[8]!.storedAtMs += 15_100)],
  ['it is woken without a time', 'a run that waits for a signal alone is not woken', (run) => (data(run, 4).parked = { until: null })],
  [
    'a signal takes a lease',
    'a signal leaves a run with its holder',
    (run) => (data(run, 6).lease = { command: 51, delivery: 1, term: 3 }),
  ],
  ['a signal leaves a parked run its lease', 'a signal leaves a run with its holder', (run) => (data(run, 4).lease = data(run, 3).lease)],
  ['a signal is heard twice', 'no transition twice', ({ events }) => events.splice(4, 0, structuredClone(events[3]!))],
  ['a signal is heard twice', 'a signal is heard once, or refused once', ({ events }) => events.splice(4, 0, structuredClone(events[3]!))],
  ['a signal is lost', 'a signal is heard once, or refused once', ({ events }) => events.splice(3, 1)],
  ['a signal that nobody sent', 'nobody hears what nobody said', (run) => (data(run, 4).cause = { command: 52 })],
  ['more than its end is in a cancelled run', 'the fold is the snapshot', (run) => (snapshot(run, 6).context = { ms: 6 } as never)],
  ['a restart with another input', 'the fold is the snapshot', (run) => (data(run, 7).input = { ms: 6 })],
  ['a run that goes on begins anew', 'only what has ended begins anew', ({ events }) => events.splice(5, 1)],
  ['a run begins anew twice', 'no transition twice', ({ events }) => events.push(structuredClone(events[5]!), structuredClone(events[6]!))],
  ['a success begins anew', 'what went well does not begin anew', ({ events }) => events.push(structuredClone(events[6]!))],
  ['visits are counted anew', 'visits go on counting', (run) => (data(run, 7).snapshot = data(run, 1).snapshot)],
  ['a definition changes by itself', 'a run keeps its definition', (run) => edit(run, 9, 'type', 'almanac.run.resumed')],
  ['two holders with one term', 'terms count who took over', (run) => (data(run, 9).lease = { command: 4, delivery: 1, term: 4 })],
  ['a run in another lane', 'a run stays in its lane', (run) => (data(run, 5).lease = { ...data(run, 5).lease, lane: 'low' })],
])('%s: %s', (_, rule, change) => {
  expect(rules(eventful(change))).toContain(rule);
});

it('a refused signal is a dead letter, and not an event as well', () => {
  const refused = { deadLetters: [letter({ command: 50 })] };
  const withoutIt = ({ events }: Scene) => events.splice(3, 1);
  const rule = 'a signal is heard once, or refused once';
  expect(rules(eventful(withoutIt, refused))).not.toContain(rule);
  expect(rules(eventful(undefined, refused))).toEqual([rule]);
  const killed = (ms: number) => [{ source: 'a', signalledAt: Date.parse(at(ms)), at: Date.parse(at(ms)), signal: 'SIGKILL' as const }];
  expect(rules(eventful(undefined, { ...refused, deaths: killed(55) }))).toEqual([]); // before it had acknowledged
  expect(rules(eventful(undefined, { ...refused, deaths: killed(65) }))).toEqual([rule]);
  expect(rules(eventful(withoutIt, { deadLetters: [letter({ command: 50 }), letter({ command: 50 })] }))).toContain(rule);
});

it('which refusals were to be expected', () => {
  const unexpected = (more: Partial<Letter>, evidence: Partial<Evidence> = {}) =>
    rules(eventful(undefined, { ...evidence, deadLetters: [letter(more)] })).includes('no dead letter that was not planned');
  expect(unexpected({ command: 50, code: 'RUN_UNKNOWN' })).toBe(true);
  expect(unexpected({ command: 50, code: 'RUN_UNKNOWN' }, { signals: TOLD.map((signal) => ({ ...signal, early: true })) })).toBe(false);
  expect(unexpected({ command: 50, code: 'SIGNAL_INVALID' })).toBe(true);
  expect(unexpected({ command: 60 })).toBe(true);
  expect(unexpected({ command: 60 }, { outages: [DOWN] })).toBe(false); // its sender may have got no answer
  expect(unexpected({ origin: 'command', command: 3, code: 'RUN_UNKNOWN' })).toBe(false);
  expect(unexpected({ origin: 'command', command: 50, code: 'RUN_UNKNOWN' })).toBe(true);
});

it('a run that has failed is one dead letter each time, and one that has not is none', () => {
  const rule = 'a run that failed is one dead letter, each time';
  const letters = (...commands: number[]) => ({
    deadLetters: commands.map((command) => letter({ origin: 'run', code: 'RUN_FAILED', command })),
  });
  expect(rules(eventful(undefined, letters(2)))).toEqual([rule]);
  const failsTwice = (run: Scene) => {
    for (const revision of [6, 10]) data(run, revision).outcome = 'failed';
  };
  expect(rules(eventful(failsTwice, letters(2, 4)))).not.toContain(rule);
  expect(rules(eventful(failsTwice, letters(4)))).not.toContain(rule); // begun anew before the letter was written
  expect(rules(eventful(failsTwice, letters(2)))).toContain(rule);
  expect(rules(eventful(failsTwice, letters(2, 4, 4)))).toContain(rule);
  expect(rules(eventful(failsTwice, letters(2, 2, 4)))).toContain(rule);
});

it('what is cancelled begins nothing, unless its process could not hear of it', () => {
  const rule = 'what is cancelled begins nothing';
  const begunLate =
    (ms: number) =>
    ({ events, effects }: Scene): void => {
      events.splice(6);
      effects.push({ ...effects[1]!, at: events[5]!.storedAtMs + ms });
    };
  expect(rules(eventful(begunLate(900)))).not.toContain(rule);
  expect(rules(eventful(begunLate(1_100)))).toContain(rule);
  const stoppedAt = Date.parse(at(150));
  expect(rules(eventful(begunLate(1_100), { outages: [{ source: 'b', from: stoppedAt, to: stoppedAt + 1_000 }] }))).not.toContain(rule);
  expect(rules(eventful(begunLate(1_100), { outages: [{ source: 'c', from: stoppedAt, to: stoppedAt + 1_000 }] }))).toContain(rule);
});

it('a late wake is excused by the time in which nobody could have come', () => {
  const late = ({ events }: Scene) => (events[8]!.storedAtMs += 15_100);
  const outage = { source: undefined, from: Date.parse(at(400)), to: Date.parse(at(1_400)) };
  expect(rules(eventful(late, { outages: [outage] }))).not.toContain('a parked run is woken at its time');
});

it('a run that is begun for a signal, while its command waits, is held by nobody', () => {
  const queued = ({ events, effects }: Scene): void => {
    const [start, resume] = events.map(({ stored }) => stored) as [Editable, Editable];
    Object.assign(start, { source: 'd' });
    start.data.lease = { command: 1, delivery: 0, term: 0 };
    resume.data.lease = { command: 1, delivery: 1, term: 1 };
    for (const { stored } of events.slice(2)) stored.data.lease = { ...stored.data.lease, term: stored.data.lease.term - 1 };
    events[2]!.stored.data.lease = resume.data.lease;
    effects.splice(0, 1);
  };
  expect(check(eventful(queued))).toEqual([]);
  const byNobody = (run: Scene): void => {
    queued(run);
    run.events.splice(1, 1);
  };
  expect(rules(eventful(byNobody))).toContain('only the holder writes');
});

it('the wake of a run that has ended otherwise may still wait, that of one that goes on may not', () => {
  const commandsLeft = { stored: ['cmd.job.wake.r1'], consumers: [] };
  expect(rules(eventful(undefined, { commandsLeft }))).toEqual([]);
  expect(rules(eventful(({ events }) => events.splice(8), { commandsLeft }))).toContain('every command is settled');
});

it('limits are those of a lane', () => {
  const evidence = (limits: Evidence['limits']) => rules(evidenceOf(scenes(), { limits }));
  expect(evidence({ job: { normal: 2, low: 0 } })).toEqual([]);
  expect(evidence({ job: { normal: 1, low: 9 } })).toEqual(['no more runs at once than allowed']);
});
