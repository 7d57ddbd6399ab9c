import { createServer } from 'node:net';

/** The port if nobody listens on it on loopback, otherwise -1: the server's word for "choose one". */
export function preferPort(port: number): Promise<number> {
  if (port <= 0) return Promise.resolve(-1);
  return new Promise((resolve) => {
    const attempt = createServer();
    attempt.once('error', () => resolve(-1));
    attempt.listen(port, '127.0.0.1', () => attempt.close(() => resolve(port)));
  });
}
