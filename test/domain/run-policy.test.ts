import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_RETRY } from '../../src/domain/retry.ts';
import {
  activityPolicy,
  POLICY_DEFAULTS,
  type PolicyDefaults,
  policyProblems,
  resolvePolicy,
  type StatedActivityPolicy,
  type StatedPolicy,
} from '../../src/domain/run-policy.ts';

const some = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 2 });
const left = (record: object): object => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
const ms = fc.integer({ min: 1, max: 1_000_000 });
const statedActivity = fc
  .record({
    retry: some(
      fc.record({ maxAttempts: some(ms), initialMs: some(fc.nat(1_000)), factor: some(fc.integer({ min: 1, max: 9 })) }).map(left),
    ),
    timeoutMs: some(ms),
  })
  .map((record) => left(record) as StatedActivityPolicy);
const name = fc.constantFrom('scan', 'write', 'constructor');
const stated = fc
  .record({ timeoutMs: some(ms), each: some(statedActivity), activities: some(fc.dictionary(name, statedActivity)) })
  .map((record) => left(record) as StatedPolicy);
const defaults: fc.Arbitrary<PolicyDefaults> = fc.record({ maxAttempts: ms, attemptTimeoutMs: ms });
const NAMES = ['scan', 'write', 'constructor'];

describe('the policy of a run', () => {
  it('is what its activity states, else its job type, else the settings, else the built-in numbers', () => {
    fc.assert(
      fc.property(stated, defaults, name, (job, settings, activity) => {
        const policy = resolvePolicy(job, settings);
        const { [activity]: own } = Object.hasOwn(job.activities ?? {}, activity) ? job.activities! : {};
        const { retry, timeoutMs } = activityPolicy(policy, activity);
        expect(retry).toEqual({ ...DEFAULT_RETRY, maxAttempts: settings.maxAttempts, ...job.each?.retry, ...own?.retry });
        expect(timeoutMs).toBe(own?.timeoutMs ?? job.each?.timeoutMs ?? settings.attemptTimeoutMs);
        expect(policy.timeoutMs).toBe(job.timeoutMs ?? 24 * 3_600_000);
      }),
    );
  });

  it('is the same after it was in the log, and complete: other settings change nothing in it', () => {
    fc.assert(
      fc.property(stated, defaults, defaults, (job, settings, later) => {
        const policy = resolvePolicy(job, settings);
        expect(JSON.parse(JSON.stringify(policy))).toEqual(policy);
        expect(resolvePolicy(policy, later)).toEqual(policy);
      }),
    );
  });

  it('has nothing wrong when every number is in range', () => {
    fc.assert(
      fc.property(stated, (job) => {
        expect(policyProblems(job, NAMES)).toEqual([]);
      }),
    );
  });

  it('has four attempts of an hour and a day in all when nobody says anything', () => {
    expect(POLICY_DEFAULTS).toEqual({ maxAttempts: 4, attemptTimeoutMs: 3_600_000 });
    expect(resolvePolicy()).toEqual({ timeoutMs: 86_400_000, each: { retry: DEFAULT_RETRY, timeoutMs: 3_600_000 } });
  });
});

it.each<[StatedPolicy, string]>([
  [{ timeoutMs: 0 }, 'timeoutMs is 0: use whole milliseconds from 1'],
  [{ each: { timeoutMs: 1.5 } }, 'each: timeoutMs is 1.5: use whole milliseconds from 1'],
  [{ each: { retry: { maxAttempts: 0 } } }, 'each: maxAttempts is 0: use a whole number from 1'],
  [{ activities: { scan: { retry: { factor: 0 } } } }, 'activities.scan: factor is 0: use a number from 1'],
  [{ activities: { scann: {} } }, 'activities.scann: there is no such activity; there are scan, write, constructor'],
])('%j cannot be stated', (job, problem) => {
  expect(policyProblems(job, NAMES)).toEqual([problem]);
});
