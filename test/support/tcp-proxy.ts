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
    client.on('data', (data) => {
      listener(data);
      if (link.losing !== 'everything') server.write(data);
    });
    server.on('data', (data) => void (link.losing === 'nothing' && client.write(data)));
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
