/** A run that nobody will carry out does not block its schedule: what became of its start command is learned from the dead letters, too. */

import { expect, it } from 'vitest';
import { createMachine } from 'xstate';
import { z } from 'zod';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import { sweepStrays } from '../../src/adapters/nats/strays.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { scheduleId } from '../../src/domain/ids.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { deadLettersOf } from '../support/dead-letter-operations.ts';
import { type Client, hostOn } from '../support/host-on.ts';
import { jobOf, stepsJob } from '../support/jobs.ts';
import { startTestServer } from '../support/nats-server.ts';
import { historyOf, ledgerOf, schedulerOn, type TestScheduler } from '../support/scheduler-on.ts';
import { Sightings, sightingLog } from '../support/sightings.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const ID = 'hourly';
const me = { who: 'test' };
/** Waits until it is told to end; its input must name the vault. */
const picky = jobOf(
  createMachine({ id: 'picky', initial: 'idle', states: { idle: { on: { end: 'done' } }, done: { type: 'final' } } }),
  {},
  {
    input: z.strictObject({ vault: z.string() }),
  },
);
const hanging = (steps: string[]) =>
  stepsJob('changing', steps, (_, { signal }) => new Promise((_done, stop) => signal.addEventListener('abort', stop)));

interface Scene extends AsyncDisposable {
  readonly client: Client;
  readonly at: TestScheduler;
  /** The clock strikes: what is due is decided, and its effects are done. */
  strike(hour: string): Promise<void>;
  ledger(): Promise<string[]>;
}
async function scene(server: { readonly url: string }, jobType: string, more: object = {}, now = '2026-11-23T00:30:00Z'): Promise<Scene> {
  const clock = new VirtualClock(now);
  const at = await schedulerOn(server, clock);
  const { client } = at;
  const create = { do: 'create', spec: { jobType, timing: { cron: '0 * * * *' }, ...more } };
  await publishConfirmed(client.publisher, `cmd.schedule.${ID}`, Buffer.from(JSON.stringify(create)), { messageId: 'create' });
  await expect.poll(async () => (await historyOf(client, ID)).length).toBeGreaterThan(0);
  return {
    client,
    at,
    async strike(hour) {
      await expect.poll(() => clock.nextAlarm).toBe(`2026-11-23T${hour}:00:00.000Z`);
      clock.advanceTo(`2026-11-23T${hour}:00:00Z`);
      await expect.poll(async () => (await ledgerOf(client, ID)).at(-1)).toContain(`23T${hour}:00`);
      await expect.poll(() => at.book.get(scheduleId(ID))!.undone).toBeUndefined();
    },
    ledger: async () => (await ledgerOf(client, ID)).map((line) => line.replace('11-23T', '')),
    [Symbol.asyncDispose]: () => at[Symbol.asyncDispose](),
  };
}
const lettersOf = ({ client }: Scene) => deadLettersOf(client).list({}, 100);
const sweep = ({ client }: Scene) =>
  sweepStrays(client.manager, natsDeadLetters(client.publisher), sightingLog(new Sightings()), systemClock);
async function settle({ client }: Scene, action: 'redrive' | 'drop'): Promise<void> {
  const letters = deadLettersOf(client);
  const { letters: settled } = await letters.carryOut(action, await letters.plan(action, {}), me);
  expect(settled.map(({ result }) => result)).toEqual([action === 'drop' ? 'dropped' : 'redriven']);
}

it('whose input is refused: the next occurrence is started', async () => {
  await using server = await startTestServer();
  await using host = await hostOn(server, [picky]);
  await using at = await scene(server, 'picky');
  await at.strike('01');
  await expect.poll(async () => (await lettersOf(at)).length).toBe(1);
  expect((await lettersOf(at))[0]).toMatchObject({ code: 'INPUT_INVALID', runId: `${ID}-20261123t010000z` });
  await at.strike('02');
  expect(await at.ledger()).toEqual(['01:00 started on-time', '02:00 started on-time']);
  await host.stop();
});

it('whose job type nobody knows: it waits for somebody who does, and blocks nothing once it is a dead letter', async () => {
  await using server = await startTestServer();
  await using at = await scene(server, 'unheard-of');
  await at.strike('01');
  await at.strike('02');
  await sweep(at);
  await at.strike('03');
  expect(await at.ledger()).toEqual(['01:00 started on-time', '02:00 skipped overlap', '03:00 started on-time']);
});

it('that waits in the queue is waited for, also by a process that did not send it', async () => {
  await using server = await startTestServer();
  {
    await using at = await scene(server, 'unheard-of');
    await at.strike('01');
  }
  await using later = await scene(server, 'unheard-of', {}, '2026-11-23T01:30:00Z');
  await later.strike('02');
  await sweep(later);
  await later.strike('03');
  expect(await later.ledger()).toEqual(['01:00 started on-time', '02:00 skipped overlap', '03:00 started on-time']);
});

it('that was dropped as a dead letter: the next occurrence is started', async () => {
  await using server = await startTestServer();
  await using at = await scene(server, 'unheard-of');
  await at.strike('01');
  await sweep(at);
  await settle(at, 'drop');
  await at.strike('02');
  expect(await at.ledger()).toEqual(['01:00 started on-time', '02:00 started on-time']);
});

it('that was sent again: it is waited for', async () => {
  await using server = await startTestServer();
  await using at = await scene(server, 'picky', { input: { vault: 'here' } });
  await at.strike('01');
  await sweep(at);
  await settle(at, 'redrive');
  await at.strike('02');
  await using host = await hostOn(server, [picky]);
  await host.seen.times('started');
  await at.strike('03');
  await host.commands.signal({ jobType: 'picky' as never, runId: `${ID}-20261123t010000z` as never }, { event: { type: 'end' } });
  await host.seen.times('ended');
  await at.strike('04');
  expect((await at.ledger()).map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
    '01:00 started',
    '02:00 skipped',
    '03:00 skipped',
    '04:00 started',
  ]);
});

it.each(['lies there', 'was dropped'])(
  'that began and was laid aside, as its dead letter %s: the next occurrence is started',
  async (how) => {
    await using server = await startTestServer();
    await using at = await scene(server, 'changing');
    const before = await hostOn(server, [hanging(['first'])]);
    await at.strike('01');
    await before.seen.times('started');
    await at.strike('02');
    await before.stop();
    await using changed = await hostOn(server, [hanging(['first', 'second'])], { triesBeforeSuspending: 1 });
    await changed.seen.times('held back');
    await expect.poll(async () => (await commandsLeft(at.client.connection)).stored).toBe(0);
    if (how === 'was dropped') await settle(at, 'drop');
    await at.strike('03');
    expect(await at.ledger()).toEqual(['01:00 started on-time', '02:00 skipped overlap', '03:00 started on-time']);
  },
);

it('and goes on after all: it is waited for again', async () => {
  await using server = await startTestServer();
  await using at = await scene(server, 'changing');
  const before = await hostOn(server, [hanging(['first'])]);
  await at.strike('01');
  await before.seen.times('started');
  await before.stop();
  const changed = await hostOn(server, [hanging(['first', 'second'])], { triesBeforeSuspending: 1 });
  await changed.seen.times('held back');
  await expect.poll(async () => (await commandsLeft(at.client.connection)).stored).toBe(0);
  await changed.stop();
  await settle(at, 'redrive');
  await using _repaired = await hostOn(server, [hanging(['first'])]);
  await at.strike('02');
  expect(await at.ledger()).toEqual(['01:00 started on-time', '02:00 skipped overlap']);
});

it('an occurrence that waits for it is started, and it counts as a failure', async () => {
  await using server = await startTestServer();
  const clock = new VirtualClock('2026-11-23T00:30:00Z');
  await using at = await schedulerOn(server, clock);
  const spec = { jobType: 'unheard-of', timing: { cron: '0 * * * *' }, overlap: 'buffer-one', pauseAfterFailures: 2 };
  await publishConfirmed(at.client.publisher, `cmd.schedule.${ID}`, Buffer.from(JSON.stringify({ do: 'create', spec })), {
    messageId: 'c',
  });
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T01:00:00.000Z');
  const state = () => at.book.get(scheduleId(ID))!.state;
  clock.advanceTo('2026-11-23T01:00:00Z');
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T01:00:01.000Z'); // failures are counted as they happen
  clock.jumpTo('2026-11-23T02:00:00Z');
  await expect.poll(() => state().waiting.length).toBe(1);
  const swept = async () => sweepStrays(at.client.manager, natsDeadLetters(at.client.publisher), sightingLog(new Sightings()), systemClock);
  await expect.poll(swept).toBe(1);
  clock.jumpTo('2026-11-23T02:00:05Z');
  await expect.poll(() => ledgerOf(at.client, ID)).toEqual(['11-23T01:00 started on-time', '11-23T02:00 started buffer']);
  await expect.poll(swept).toBe(1);
  clock.jumpTo('2026-11-23T02:00:10Z');
  await expect.poll(() => state()).toMatchObject({ status: 'paused', pause: { note: '2 runs in a row have ended badly' } });
});

it.each(['lies there', 'was dropped'])('a process that starts later does not send it again, as its dead letter %s', async (how) => {
  await using server = await startTestServer();
  {
    await using at = await scene(server, 'unheard-of');
    await at.strike('01');
    await sweep(at);
    if (how === 'was dropped') await settle(at, 'drop');
  }
  await server.restart(); // it has forgotten which commands it has seen
  await using later = await schedulerOn(server, new VirtualClock('2026-11-23T01:40:00Z'));
  await expect.poll(() => later.book.get(scheduleId(ID))!.undone).toBeUndefined();
  expect(await commandsLeft(later.client.connection)).toMatchObject({ stored: 0 });
});
