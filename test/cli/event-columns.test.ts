import { expect, it } from 'vitest';
import { eventColumns } from '../../src/cli/event-columns.ts';
import type { RunEvent, RunEventData } from '../../src/domain/run-event.ts';

const cell = (column: 'CAUSE' | 'BY', type: string, data: Partial<RunEventData>) =>
  eventColumns[column]?.({ type: `almanac.run.${type}`, subject: 'nightly/r1', data } as RunEvent);

it.each<[string, string, Partial<RunEventData>]>([
  ['start command', 'started', { cause: { command: 7 }, event: { type: 'xstate.init' } }],
  ['restart command', 'restarted', { cause: { command: 9 }, event: { type: 'xstate.init' } }],
  ['held again', 'resumed', { cause: { command: 7 } }],
  ['scan done', 'transitioned', { cause: { activity: 'scan', visit: 1 }, event: { type: 'xstate.done.actor.scan' } }],
  ['scan failed', 'finished', { cause: { activity: 'scan', visit: 1 }, event: { type: 'xstate.error.actor.scan' } }],
  ['timer backoffMs:scan', 'transitioned', { cause: { timer: 'xstate.after.backoffMs:scan.nightly.running.scan.backingOff', visit: 2 } }],
  ['timer 1000', 'transitioned', { cause: { timer: 'xstate.after.1000.nightly', visit: 2 } }],
  ['timer mine', 'transitioned', { cause: { timer: 'mine', visit: 2 } }],
  ['signal approve', 'transitioned', { cause: { command: 8 }, event: { type: 'approve' } }],
  ['signal cancel', 'finished', { cause: { command: 8 }, event: { type: 'almanac.cancel' } }],
])('says %s', (text, type, data) => {
  expect(cell('CAUSE', type, data)).toBe(text);
});

it('says who wanted it, and why', () => {
  expect(cell('BY', 'started', { actor: { who: 'cli:mara' } })).toBe('cli:mara');
  expect(cell('BY', 'started', { actor: { who: 'cli:mara', why: 'to see' } })).toBe('cli:mara: to see');
  expect(cell('BY', 'resumed', {})).toBeUndefined();
});
