/** Reading the log of runs: through the product's ordered reader, without and with folding every event again. */
import { connect } from '../../src/adapters/nats/connection.ts';
import { natsRunHistory } from '../../src/adapters/nats/run-history.ts';
import { HistoryVerifier } from '../../src/runtime/history-verifier.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { oneStep, threeStep } from './no-op.machines.ts';
import type { Target } from './raw/limits.ts';
import { type Figure, measure } from './raw/measure.ts';

export const plainReplay = (target: Target): Promise<Figure> => replay(target, () => undefined);

/** @throws {Error} Folding gave something else than the log says. */
export async function verifyingReplay(target: Target): Promise<Figure> {
  const verifier = new HistoryVerifier([oneStep, threeStep], { complete: true });
  const figure = await replay(target, (stored) => verifier.take(stored));
  const { problems } = verifier.result();
  if (problems.length > 0) throw new Error(`the log does not fold: ${problems[0]} and ${problems.length - 1} more`);
  return figure;
}

async function replay({ url, serverPid }: Target, onEvent: (stored: StoredRunEvent) => undefined): Promise<Figure> {
  const { connection, manager } = await connect({ url, name: 'bench' });
  const history = natsRunHistory(connection, manager);
  let events = 0;
  const figure = await measure(async () => {
    await history.read({}, (stored) => {
      events++;
      return onEvent(stored);
    });
    return events;
  }, serverPid);
  await connection.close();
  return figure;
}
