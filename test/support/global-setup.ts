/** Runs once before all test files: what the tests need is found or installed now, so that no worker waits for a build within a test's time limit. */
import { defaultServer, testBinary } from './nats-binaries.ts';

export default async function setup(): Promise<void> {
  const report = (text: string) => process.stdout.write(`test servers: ${text}\n`);
  for (const which of new Set([defaultServer(), 'newest', 'debian'])) {
    const { path, version } = await testBinary(which, { report });
    report(`${which} is NATS Server ${version} (${path})`);
  }
}
