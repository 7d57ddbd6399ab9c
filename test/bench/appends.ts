/** CAS appends per second through the client library's `js.publish` and through our own publisher: same stream, same payload, same window. */
import { jetstream } from '@nats-io/jetstream';
import { connect } from '../../src/adapters/nats/connection.ts';
import { declareStreams } from '../../src/adapters/nats/declare-streams.ts';
import { Publisher } from '../../src/adapters/nats/publisher.ts';
import type { Sequence } from '../../src/domain/ids.ts';
import type { Target } from './raw/limits.ts';
import { type Figure, measure } from './raw/measure.ts';

const PAYLOAD = Buffer.alloc(200, 'x');
/** Each append is the first of its subject, so it expects nothing there. */
const NOTHING = 0 as Sequence;

interface Appends {
  readonly count: number;
  readonly inFlight: number;
}

export async function stockAppends({ url, serverPid, count, inFlight }: Target & Appends): Promise<Figure> {
  const { connection, manager } = await connect({ url, name: 'bench' });
  await declareStreams(manager);
  const js = jetstream(connection);
  const subject = subjectsOf('stock');
  const append = (n: number) => js.publish(subject(n), PAYLOAD, { expect: { lastSubjectSequence: NOTHING } });
  const figure = await measure(() => inWindow(count, inFlight, append), serverPid);
  await connection.close();
  return figure;
}

export async function ownAppends({ url, serverPid, count, inFlight }: Target & Appends): Promise<Figure> {
  const { connection, manager } = await connect({ url, name: 'bench' });
  await declareStreams(manager);
  const publisher = new Publisher(connection);
  const subject = subjectsOf('own');
  const append = (n: number) => publisher.publish(subject(n), PAYLOAD, { expectedSequence: NOTHING });
  const figure = await measure(() => inWindow(count, inFlight, append), serverPid);
  publisher.close();
  await connection.close();
  return figure;
}

/** Under `evt.bench`, beside the runs: a reader of runs does not see them. */
function subjectsOf(kind: string): (n: number) => string {
  const batch = Date.now().toString(36);
  return (n) => `evt.bench.${kind}.${batch}-${n}`;
}

async function inWindow(count: number, inFlight: number, append: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < count; n = next++) await append(n);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return count;
}
