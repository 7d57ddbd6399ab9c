import type { Message, SocketClient } from './socket-client.ts';

export interface Window {
  count: number;
  /** Unanswered requests at a time; 512 when left out. */
  inFlight?: number;
}

/** One CAS append: stored only when `expected` is the last sequence of the subject, 0 when it has none. */
export function append(client: SocketClient, subject: string, payload: string, expected: number, stored: (sequence: number) => void): void {
  const header = `Nats-Expected-Last-Subject-Sequence: ${expected}\r\n`;
  client.request(subject, payload, (ack) => stored(storedSequence(ack)), header);
}

/** CAS appends, about five to a subject. */
export function storeEvents(client: SocketClient, { count, inFlight = 512 }: Window): Promise<number> {
  // Acks come back in order, so with more subjects than appends in flight the previous append of a subject is always known.
  const subjects = Math.max(inFlight + 1, Math.ceil(count / 5));
  const last = new Array<number>(subjects).fill(0);
  return keepInFlight(client, { count, inFlight }, (index, answered) => {
    const subject = index % subjects;
    append(client, `raw.evt.${subject}`, payloadOf(index), last[subject] ?? 0, (sequence) => {
      last[subject] = sequence;
      answered();
    });
  });
}

export function storeCommands(client: SocketClient, { count, inFlight = 512 }: Window): Promise<number> {
  return keepInFlight(client, { count, inFlight }, (index, answered) => {
    const onAck = (ack: Message) => {
      storedSequence(ack);
      answered();
    };
    client.request('raw.cmd', payloadOf(index), onAck, `Nats-Msg-Id: run-${index}\r\n`);
  });
}

type Issue = (index: number, answered: () => void) => void;

/** Issues `count` requests, at most `inFlight` of them unanswered at a time; resolves with `count` when all are answered. */
function keepInFlight(client: SocketClient, { count, inFlight }: Required<Window>, issue: Issue): Promise<number> {
  return client.settled((resolve) => {
    let issued = 0;
    let finished = 0;
    const answered = () => {
      if (++finished === count) resolve(count);
      else if (issued < count) issue(issued++, answered);
    };
    while (issued < Math.min(inFlight, count)) issue(issued++, answered);
  });
}

const SEQUENCE_KEY = '"seq":';

/** The sequence a PubAck names. Scanned rather than parsed: this runs once for every append. */
function storedSequence(ack: Message): number {
  const text = ack.text();
  const at = text.indexOf(SEQUENCE_KEY);
  const sequence = at < 0 ? 0 : Number.parseInt(text.slice(at + SEQUENCE_KEY.length), 10);
  // A refusal carries `"seq":0`, a repeated Nats-Msg-Id the sequence of the first and a mark.
  if (!(sequence > 0) || text.includes('"duplicate"')) throw new Error(`not stored: ${ack.status} ${text}`);
  return sequence;
}

/** JSON of about 200 bytes. */
export function payloadOf(index: number): string {
  return (
    `{"id":"01JD${String(index).padStart(22, '0')}","type":"almanac.run.transitioned","data":{"revision":${index},` +
    `"event":"payment.received","from":"awaitingPayment","to":"shipping","snapshot":"${'x'.repeat(20)}"}}`
  );
}
