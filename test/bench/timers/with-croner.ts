/** `node with-croner.ts <timers> <seconds>`: so many `Cron` timers, each due every second. Prints how late each call was: a line of JSON, milliseconds. */
import { setTimeout as delay } from 'node:timers/promises';
import { Cron } from 'croner';

const [timers, seconds] = process.argv.slice(2).map(Number) as [number, number];
const lateness: number[] = [];
const call = () => void lateness.push(sinceSecond(Date.now()));
const all = Array.from({ length: timers }, () => new Cron('* * * * * *', { maxRuns: seconds }, call));
while (all.some((timer) => timer.nextRun() !== null)) await delay(1_000);
console.log(JSON.stringify(lateness));

/** From the nearest full second: a timer may ring a millisecond early. */
function sinceSecond(at: number): number {
  const late = at % 1_000;
  return late > 900 ? late - 1_000 : late;
}
