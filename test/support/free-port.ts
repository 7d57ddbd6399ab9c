import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * A loopback port that nobody listens on, below the range from which the system gives ports to clients. A port in that range could be
 * taken by any client while its server is down for a moment, even by one that tries to reconnect to it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
