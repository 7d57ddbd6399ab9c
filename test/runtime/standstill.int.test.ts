/** All schedules paused at once. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import { PauseFile } from '../../src/adapters/system/pause-file.ts';
import type { Client } from '../support/host-on.ts';
import { startTestServer } from '../support/nats-server.ts';
import { historyOf, ledgerOf, schedulerOn } from '../support/scheduler-on.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

let sent = 0;
const command = (client: Client, subject: string, body: object) =>
  publishConfirmed(client.publisher, subject, Buffer.from(JSON.stringify(body)), { messageId: `standstill ${++sent}` });
async function create(client: Client, clock: VirtualClock, first: string) {
  await command(client, 'cmd.schedule.hourly', {
    do: 'create',
    spec: { jobType: 'job', timing: { cron: '0 * * * *' }, overlap: 'allow-all' },
  });
  await expect.poll(() => clock.nextAlarm).toBe(first);
}

it('a pause file in the vault stops every schedule, and what was due meanwhile is told as paused', async () => {
  await using server = await startTestServer();
  const vault = temporaryFolder();
  const file = join(vault.path, '.aclarai_pause');
  const clock = new VirtualClock('2026-11-23T00:30:00Z');
  await using at = await schedulerOn(server, clock, new PauseFile({ vaultRoot: vault.path, automationPause: false }));
  await create(at.client, clock, '2026-11-23T01:00:00.000Z');
  await writeFile(file, '');
  clock.advanceTo('2026-11-23T03:30:00Z');
  expect(await ledgerOf(at.client, 'hourly')).toEqual([]);
  await rm(file);
  await expect.poll(() => ledgerOf(at.client, 'hourly')).toEqual(['01', '02', '03'].map((hour) => `11-23T${hour}:00 paused pause`));
  clock.advanceTo('2026-11-23T04:00:00Z');
  await expect.poll(async () => (await ledgerOf(at.client, 'hourly')).at(-1)).toBe('11-23T04:00 started on-time');
  vault.remove();
});

it('is seen by every process, and outlives a restart', async () => {
  await using server = await startTestServer();
  const clocks = [new VirtualClock('2026-11-23T00:30:00Z'), new VirtualClock('2026-11-23T00:30:00Z')] as const;
  {
    await using one = await schedulerOn(server, clocks[0]);
    await using other = await schedulerOn(server, clocks[1]);
    await create(one.client, clocks[1], '2026-11-23T01:00:00.000Z');
    await command(one.client, 'cmd.control', { do: 'pause', note: 'moving the vault', actor: { who: 'operator' } });
    for (const clock of clocks) await expect.poll(() => clock.nextAlarm).toBeUndefined();
    expect(await ledgerOf(other.client, 'hourly')).toEqual([]);
  }
  const clock = new VirtualClock('2026-11-23T02:30:00Z');
  await using after = await schedulerOn(server, clock);
  expect(clock.nextAlarm).toBeUndefined();
  await command(after.client, 'cmd.control', { do: 'resume' });
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T03:00:00.000Z');
  expect(await ledgerOf(after.client, 'hourly')).toEqual(['01', '02'].map((hour) => `11-23T${hour}:00 paused pause`));
  expect((await historyOf(after.client, 'hourly')).at(-1)?.type).toBe('almanac.schedule.decided');
});

it('occurrences that are due at the same time share one look at the pause file, and later ones look again', async () => {
  await using server = await startTestServer();
  const vault = temporaryFolder();
  let looks = 0;
  class CountedLooks extends PauseFile {
    override isPaused() {
      looks++;
      return super.isPaused();
    }
  }
  const clock = new VirtualClock('2026-11-23T00:30:00Z');
  await using at = await schedulerOn(server, clock, new CountedLooks({ vaultRoot: vault.path, automationPause: false }));
  const before = looks;
  const [first, second] = [at.keeper.check(), at.keeper.check()];
  await Promise.all([first, second]);
  expect(looks - before).toBe(1);
  await writeFile(join(vault.path, '.aclarai_pause'), '');
  await at.keeper.check();
  expect(at.keeper.state.now?.cause).toBe('file');
  vault.remove();
});
