/** The long form, for nights and XState upgrades: `node test/domain/statechart/fuzz.long.ts [machines] [moves] [first seed]`. */
import { fuzz } from './fuzz.ts';

const [machines = 4000, maxMoves = 40, firstSeed = 1] = process.argv.slice(2).map(Number);
console.warn = () => {}; // XState warns of charts like these
const { failures, ...report } = fuzz({ machines, maxMoves, firstSeed });
console.log(report);
for (const failure of failures.slice(0, 8)) console.log(failure);
process.exitCode = failures.length > 0 ? 1 : 0;
