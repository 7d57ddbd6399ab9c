/** Stands for Almanac in these tests: opens the embedded server of a folder, says so, and closes it when its input ends. */
import { openEmbeddedServer } from '../../../../src/adapters/system/nats-server/embedded-server.ts';

const [dataDir = '', cacheDir] = process.argv.slice(2);
const server = await openEmbeddedServer({ dataDir, cacheDir, env: process.env, preferredPort: 0 });
process.stdout.write(`${JSON.stringify(server)}\n`);
process.stdin.resume().once('end', () => void server.close());
