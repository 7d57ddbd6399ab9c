import { expect, it } from 'vitest';
import { scheduleId } from '../../src/domain/ids.ts';
import type { DeclaredSchedule } from '../../src/runtime/declared-schedules.ts';
import { arrangeNight } from '../../src/runtime/nightly-schedules.ts';

const schedule = (id: string, off?: string): DeclaredSchedule => ({
  id: scheduleId(id),
  spec: { jobType: id as never, timing: { cron: '0 3 * * *' } },
  ...(off && { off }),
});
const warnings: string[] = [];
const warn = (text: string) => void warnings.push(text);
const night = { chain: 'nightly', jobs: ['first', 'second', 'third'], before: undefined, warn };
const arranged = (arrangement: 'staggered' | 'chained', ...declared: DeclaredSchedule[]) =>
  arrangeNight(declared, { ...night, arrangement });
const [nightly, other] = [schedule('nightly'), schedule('weekly')];

it('staggered, each job has its own schedule and the chain has none', () => {
  expect(arranged('staggered', schedule('second'), nightly, other)).toEqual([schedule('second'), other]);
});

it('chained, the chain runs those that are there and switched on, in their order, and their own schedules are off', () => {
  const [third, second, disabled] = [schedule('third'), schedule('second'), schedule('first', 'the file says so')];
  const [offThird, offSecond, stays, chain, weekly] = arranged('chained', third, second, disabled, nightly, other);
  expect(chain).toEqual({ ...nightly, spec: { ...nightly.spec, input: { jobs: ['second', 'third'] } } });
  for (const { off } of [offThird!, offSecond!]) expect(off).toContain('NIGHTLY is chained');
  expect([stays, weekly]).toEqual([disabled, other]);
});

it('chained, with nothing to run, the chain is off', () => {
  const [, chain] = arranged('chained', schedule('first', 'the file says so'), nightly);
  expect(chain).toMatchObject({ off: 'none of its jobs is switched on' });
});

it('chained, a chain that is switched off stays off, and says why', () => {
  const [, chain] = arranged('chained', schedule('first'), schedule('nightly', 'the file says so'));
  expect(chain).toMatchObject({ off: 'the file says so' });
});

it('a chain that a person has changed is paused while the night is staggered, not left to run beside the others', () => {
  const before = { owner: 'operator', status: 'active' } as const;
  const [own, chain] = arrangeNight([schedule('first'), nightly], { ...night, arrangement: 'staggered', before });
  expect([own, chain]).toEqual([schedule('first'), { ...nightly, off: 'NIGHTLY is staggered' }]);
});

it('a chain that a person has deleted leaves each job its own schedule, so that the night is not empty', () => {
  const before = { owner: 'operator', status: 'deleted' } as const;
  for (const arrangement of ['chained', 'staggered'] as const)
    expect(arrangeNight([schedule('first'), nightly], { ...night, arrangement, before })).toEqual([schedule('first')]);
  expect(warnings).toEqual([expect.stringContaining('schedule nightly was deleted')]);
});
