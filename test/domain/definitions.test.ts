import { describe, expect, it } from 'vitest';
import type { AnyStateMachine } from 'xstate';
import { Definitions } from '../../src/domain/definitions.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import { definitionHash } from '../../src/domain/statechart/definition-hash.ts';
import { runnable } from '../../src/runtime/job-types.ts';
import { before, definition, end, factsAt, invoke, run } from '../support/adoptions.ts';
import { jobOf, stepsJob } from '../support/jobs.ts';

const machine = definition({ resting: { invoke: invoke('fetch'), after: { limitMs: 'end' } }, end });
const definitions = (more: Partial<JobType>) => new Definitions(jobOf(machine, {}, more).jobType);
const hash = definitionHash(before);

it('the newest is the machine of the job type, and the previous ones are known by their hash', () => {
  const both = definitions({ previous: [{ machine: before }] });
  expect([...both.registered.keys()]).toEqual([definitionHash(machine), hash]);
  expect(both.newest.machine).toBe(machine);
  expect(both.registered.get(hash)?.machine).toBe(before);
});

it('a run on another definition is adopted by the mapping from it, given by hash or by machine, and refused without one', () => {
  for (const from of [hash, before])
    expect(definitions({ adopt: [{ from, states: { waiting: 'resting' } }] }).adopt(run, factsAt(1)).event.data.to).toBe('resting');
  const none = definitions({ adopt: [{ from: 'AAAAAAAAAAAAAAAA' }] });
  expect(() => none.adopt(run, factsAt(1))).toThrow(expect.objectContaining({ code: 'DEFINITION_CHANGED', definition: hash }));
});

describe('a job type is refused when', () => {
  const version = (text: string): AnyStateMachine =>
    definition({ resting: { invoke: invoke('fetch'), after: { limitMs: 'end' } }, end }, { version: text });

  it.each<[string, Partial<JobType>, RegExp]>([
    ['a definition is there twice', { previous: [{ machine }] }, /definition \S+ is there twice: remove it from `previous`/],
    ['two previous ones are the same', { previous: [{ machine: version('2') }, { machine: version('2') }] }, /is there twice/],
    [
      'runs are to stay on a definition and to leave it',
      { previous: [{ machine: before }], adopt: [{ from: before }] },
      /go on as they are, it is registered/,
    ],
    ['runs are to leave the newest definition', { adopt: [{ from: machine }] }, /go on as they are, it is registered/],
    [
      'there are two mappings from one definition',
      { adopt: [{ from: before, states: { waiting: 'resting' } }, { from: hash }] },
      /adopt from \S+: it is there twice/,
    ],
    ['a mapping is from no hash', { adopt: [{ from: 'v1' }] }, /'v1' is no hash of a definition: see almanac job check/],
    [
      'a mapping is to a state that is not there',
      { adopt: [{ from: hash, states: { waiting: 'asleep' } }] },
      /there is no state 'asleep' to map 'waiting' to/,
    ],
    [
      'a mapping is from a state that was not there',
      { adopt: [{ from: before, states: { asleep: 'resting' } }] },
      /the old machine has no state 'asleep'/,
    ],
    [
      'a mapping is to an activity that nobody does',
      { adopt: [{ from: hash, activities: { fetch: 'get' } }] },
      /no state does 'get', to which 'fetch' is mapped/,
    ],
    [
      'a mapping is to a delay that nobody waits for',
      { adopt: [{ from: hash, delays: { limitMs: 'soonMs' } }] },
      /no state waits for 'soonMs', to which 'limitMs' is mapped/,
    ],
  ])('%s', (_, more, problem) => {
    expect(() => definitions(more)).toThrow(expect.objectContaining({ code: 'JOB_TYPE_INVALID', message: expect.stringMatching(problem) }));
  });

  it('several of these are wrong: all of them are told', () => {
    const wrong = () => definitions({ previous: [{ machine }], adopt: [{ from: hash, states: { waiting: 'asleep' } }, { from: 'v1' }] });
    expect(wrong).toThrow(/twice.*asleep.*'v1'/s);
  });

  it('a previous definition cannot be run any more', () => {
    const old = stepsJob('other', ['first'], async () => null).jobType.machine;
    const job = { ...jobOf(machine).jobType, previous: [{ machine: old }] };
    const code = { fetch: async () => null, store: async () => null, audit: async () => null };
    expect(() => runnable(job, code)).toThrow(/- previous\[0\], activity 'work' has no code/);
    const own = { ...job, previous: [{ machine: old, activities: { work: async () => null } }] };
    expect(Object.keys(runnable(own, code).registered.get(definitionHash(old))!.activities)).toEqual(['fetch', 'store', 'audit', 'work']);
  });
});
