/** `node scheduler-process.ts <url>`: a scheduler in a process of its own, to be killed. Tells its parent when it works; it ends with its parent. */
import { systemClock } from '../../src/adapters/system/clock.ts';
import { schedulerOn } from './scheduler-on.ts';

process.on('disconnect', () => process.exit());
const { source, stop } = await schedulerOn({ url: process.argv[2]! }, systemClock);
process.on('SIGTERM', async () => {
  await stop();
  process.disconnect();
});
process.send!(source);
