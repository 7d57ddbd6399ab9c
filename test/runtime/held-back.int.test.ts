/** Runs that cannot go on with the code there is: nothing is appended, nothing is lost, and the right deployment continues them. */

import { expect, it } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import { z } from 'zod';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { hostOn, type TestHost } from '../support/host-on.ts';
import { jobOf, stepsJob, type TestJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';

const server = useNatsServer();
const typesOf = async (host: TestHost, job: TestJob) =>
  (await host.historyOf(job, 'r1')).map(({ event }) => event.type.replace('almanac.run.', ''));

it.each(['on its start', 'on a result'])('a statechart whose own code throws %s is held until it is repaired', async (when) => {
  let broken = true;
  const mend = (code: string) => {
    if (broken && code === when) throw new Error('a typo');
    return 0;
  };
  const id = when === 'on its start' ? 'throws-on-start' : 'throws-on-result';
  const machine: AnyStateMachine = setup({
    types: { context: {} as { n: number } },
    actors: { work: activity<undefined, null>() },
  }).createMachine({
    id,
    context: () => ({ n: mend('on its start') }),
    initial: 'working',
    states: {
      working: { invoke: { id: 'work', src: 'work', onDone: { target: 'succeeded', actions: assign({ n: () => mend('on a result') }) } } },
      succeeded: { type: 'final' },
    },
  });
  const job = jobOf(machine, { work: () => Promise.resolve(null) });
  const first = await hostOn(server, [job]);
  await first.start(job, 'r1');
  await first.seen.times('held back');
  const before = await typesOf(first, job);
  expect(before).toEqual(when === 'on its start' ? [] : ['started']);
  expect(first.seen.of('error')).toMatchObject([{ err: { code: 'STATECHART_CODE' }, delayMs: 1_000 }]);
  const alert = await first.manager.streams.getMessage('EVENTS', { last_by_subj: 'evt.alert.statechart-code.r1' });
  expect(alert?.json()).toMatchObject({
    subject: `${id}/r1`,
    data: { summary: expect.stringContaining('a typo'), facts: { state: 'held' } },
  });
  await first.stop();

  broken = false;
  await using repaired = await hostOn(server, [job]);
  await repaired.seen.times('ended');
  expect(await typesOf(repaired, job)).toEqual(when === 'on its start' ? ['started', 'finished'] : ['started', 'resumed', 'finished']);
  await expect.poll(() => commandsLeft(repaired.connection)).toEqual({ stored: 0, unacknowledged: 0 });
});

it('a run that began on another definition is held as it is, and finished by the definition it began with', async () => {
  const hanging = (steps: string[]) =>
    stepsJob('redefined', steps, (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', reject)));
  const before = await hostOn(server, [hanging(['first'])]);
  await before.start(hanging(['first']), 'r1');
  await before.seen.times('started');
  await before.stop();

  const changed = stepsJob('redefined', ['first', 'second'], () => Promise.resolve(null));
  const after = await hostOn(server, [changed]);
  await after.seen.times('held back');
  expect(after.seen.of('error')).toMatchObject([{ err: { code: 'DEFINITION_CHANGED' } }]);
  expect(await typesOf(after, changed)).toEqual(['started']);
  await after.stop();

  const same = stepsJob('redefined', ['first'], () => Promise.resolve(null));
  await using rolledBack = await hostOn(server, [same]);
  await rolledBack.seen.times('ended');
  expect(await typesOf(rolledBack, same)).toEqual(['started', 'resumed', 'finished']);
});

it('an input schema that throws by itself holds the command back, too', async () => {
  let broken = true;
  const input = z.unknown().transform(() => {
    if (broken) throw new Error('a typo in the schema');
    return {};
  });
  const job = stepsJob('throwing-schema', ['only'], () => Promise.resolve(null), { input });
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await host.seen.times('held back');
  broken = false;
  await host.seen.times('ended');
  expect(await typesOf(host, job)).toEqual(['started', 'finished']);
});

it('a run that cannot go on is laid aside and stops no later run; sending its command again continues it', async () => {
  const oneAtATime = { concurrency: 1 };
  const hanging = stepsJob(
    'laid-aside',
    ['first'],
    (_, { signal }) => new Promise((_done, stop) => signal.addEventListener('abort', stop)),
    oneAtATime,
  );
  const before = await hostOn(server, [hanging]);
  await before.start(hanging, 'r1');
  await before.seen.times('started');
  await before.stop();

  const changed = stepsJob('laid-aside', ['first', 'second'], () => Promise.resolve(null), oneAtATime);
  const after = await hostOn(server, [changed], { triesBeforeSuspending: 1 });
  await after.start(changed, 'r2');
  await after.seen.times('ended');
  expect(await typesOf(after, changed)).toEqual(['started']);
  const letter = await after.manager.streams.getMessage('DEAD_LETTERS', { last_by_subj: 'dlq.run.laid-aside' });
  expect(letter?.header.get('Almanac-Reason-Code')).toBe('DEFINITION_CHANGED');
  expect(letter?.header.get('Almanac-Run-Id')).toBe('r1');
  expect(letter?.json()).toMatchObject({ key: 'r1' });
  await after.stop();

  const same = stepsJob('laid-aside', ['first'], () => Promise.resolve(null), oneAtATime);
  await using rolledBack = await hostOn(server, [same]);
  rolledBack.connection.publish('cmd.laid-aside.start.normal', letter!.data);
  await rolledBack.seen.times('ended');
  expect(await typesOf(rolledBack, same)).toEqual(['started', 'resumed', 'finished']);
  await expect.poll(() => commandsLeft(rolledBack.connection)).toEqual({ stored: 0, unacknowledged: 0 });
});
