import { expect, it } from 'vitest';
import { createActor, fromPromise, toPromise } from 'xstate';
import { activity, isActivity } from '../../../src/domain/statechart/declare-activity.ts';

it('is remembered as an activity, unlike other promise logic', () => {
  expect(isActivity(activity<string, number>())).toBe(true);
  for (const other of [fromPromise(async () => 1), undefined, null, 'activity']) expect(isActivity(other)).toBe(false);
});

it('does nothing in a live actor but say so', async () => {
  const actor = createActor(activity<void, void>());
  actor.subscribe({ error: () => {} });
  actor.start();
  await expect(toPromise(actor)).rejects.toThrow('activities are run by the host');
});
