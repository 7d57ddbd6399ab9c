/** A real socket between a client and a real server that a test can break: cut, swallow what the server says, refuse. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  /** What the client connects to instead of the server. */
  readonly url: string;
  /** From now on, on the connections there are: what the server says gets lost, what the client says arrives. */
  swallowAnswers(): void;
  /** From now on, on the connections there are: nothing arrives anywhere, and nobody is told. As when a cable is pulled. */
  swallowEverything(): void;
  /** Breaks every connection there is; a new one is whole again. */
  cut(): void;
  /** Breaks every connection and takes no new one until {@link heal}. */
  refuse(): void;
  heal(): void;
  /** From now on, whatever goes either way arrives so much later, in order; 0 for at once. */
  delay(ms: number): void;
  /** Calls back with every piece the client sends from now on, before it is passed on. */
  onClientData(listener: (data: Buffer) => void): void;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  losing: 'nothing' | 'answers' | 'everything';
}

export async function tcpProxy(target: { readonly port: number }): Promise<TcpProxy> {
  const links = new Set<Link>();
  let refusing = false;
  let delayMs = 0;
  let listener: (data: Buffer) => void = () => undefined;
  const listening = createServer((client) => {
    if (refusing) return void client.destroy();
    const server = connect(target.port, '127.0.0.1');
    const link: Link = { client, server, losing: 'nothing' };
    links.add(link);
    const end = () => {
      links.delete(link);
      client.destroy();
      server.destroy();
    };
    const toServer = inOrder((data) => link.losing !== 'everything' && server.write(data));
    const toClient = inOrder((data) => link.losing === 'nothing' && client.write(data));
    client.on('data', (data) => {
      listener(data);
      toServer(data, delayMs);
    });
    server.on('data', (data) => toClient(data, delayMs));
    for (const socket of [client, server]) socket.setNoDelay(true).on('error', end).on('close', end);
  });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const lose = (what: Link['losing']) => {
    for (const link of links) link.losing = what;
  };
  const cut = () => {
    for (const { client } of links) client.destroy();
  };
  return {
    url: `nats://127.0.0.1:${(listening.address() as AddressInfo).port}`,
    swallowAnswers: () => lose('answers'),
    swallowEverything: () => lose('everything'),
    cut,
    refuse() {
      refusing = true;
      cut();
    },
    heal() {
      refusing = false;
    },
    delay(ms) {
      delayMs = ms;
    },
    onClientData(next) {
      listener = next;
    },
    async [Symbol.asyncDispose]() {
      cut();
      listening.close();
      await once(listening, 'close');
    },
  };
}

/** Passes each piece on after its delay, never before an earlier one. */
function inOrder(pass: (data: Buffer) => void): (data: Buffer, delayMs: number) => void {
  const waiting: { readonly data: Buffer; readonly dueAt: number }[] = [];
  const passOn = () => {
    while (waiting.length > 0) {
      const remainingMs = waiting[0]!.dueAt - performance.now();
      if (remainingMs > 0) return void setTimeout(passOn, Math.ceil(remainingMs));
      pass(waiting.shift()!.data);
    }
  };
  return (data, delayMs) => {
    if (delayMs === 0 && waiting.length === 0) return pass(data);
    if (waiting.push({ data, dueAt: performance.now() + delayMs }) === 1) passOn();
  };
}
