/**
 * Random schedules, zones, pauses, restarts and clocks that jump both ways, on one to five processes over one server: every occurrence ends
 * in exactly one fate, none is invented, and each that was started has exactly one start command. `ALMANAC_SCHEDULES_SEED` plays one again.
 */
import { expect, it } from 'vitest';
import { natsScheduleLog } from '../../src/adapters/nats/schedule-log.ts';
import { natsStandstillLog } from '../../src/adapters/nats/standstill-log.ts';
import { parseScheduleEvent } from '../../src/domain/schedule/schedule-event.ts';
import { examine, type RecordedEvent } from '../support/fate-oracle.ts';
import { startTestServer } from '../support/nats-server.ts';
import { World } from '../support/schedules-world.ts';
import { storedStarts } from '../support/stored-starts.ts';

const SEEDS = process.env.ALMANAC_SCHEDULES_SEED
  ? [process.env.ALMANAC_SCHEDULES_SEED]
  : Array.from({ length: Number(process.env.ALMANAC_SCHEDULES_SEEDS ?? 12) }, (_, seed) => String(seed));

it.each(SEEDS)(
  'seed %s',
  async (seed) => {
    await using server = await startTestServer();
    await using world = await World.played(seed, server);
    const { connection, publisher, manager } = world.client;
    const starts = new Map<string, number>();
    for (const { runId } of await storedStarts(manager)) starts.set(runId, (starts.get(runId) ?? 0) + 1);
    const { state } = await natsStandstillLog(connection, publisher, manager).last();
    let occurrences = 0;
    for (const id of world.ids) {
      const history: RecordedEvent[] = [];
      await natsScheduleLog(connection, publisher, manager).read(id, ({ sequence, bytes }) => {
        history.push({ sequence, event: parseScheduleEvent(bytes) });
      });
      const finding = examine({ history, starts, pauses: state.earlier, stills: world.stills, now: world.now });
      expect(finding.problems, id).toEqual([]);
      occurrences += finding.occurrences;
    }
    expect([...starts.keys()], 'nothing is started that no entry names').toEqual([]);
    expect(occurrences).toBeGreaterThan(0);
  },
  120_000,
);
