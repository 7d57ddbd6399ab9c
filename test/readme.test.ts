/** README's example is code: it must do what it says. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Activities } from '../src/domain/activity.ts';
import type { Instant } from '../src/domain/ids.ts';
import type { JobType } from '../src/domain/job-type.ts';
import { activityDone } from '../src/domain/statechart/stimulus.ts';
import { runnable } from '../src/runtime/job-types.ts';
import { activityContext } from './support/activity-context.ts';

const root = new URL('..', import.meta.url).pathname;
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [machineCode, activityCode] = [...readme.matchAll(/```ts.*\n([\s\S]*?)```/g)].map((block) => block[1]!);
const folder = mkdtempSync(join(root, '.readme-')); // beside `src`, because the example imports from there
afterAll(() => rmSync(folder, { recursive: true }));

it('adds a job type with the lines that README shows', async () => {
  writeFileSync(join(folder, 'word-count.machine.ts'), machineCode!);
  writeFileSync(join(folder, 'activities.ts'), `export const byJobType = { ${activityCode} };`);
  const { wordCount } = (await import(join(folder, 'word-count.machine.ts'))) as { wordCount: JobType };
  const { byJobType } = (await import(join(folder, 'activities.ts'))) as { byJobType: Record<string, Activities> };
  const activities = byJobType[wordCount.id]!;
  const { statechart } = runnable(wordCount, activities);

  const at = 0 as Instant;
  const started = statechart.start(wordCount.input.parse({ text: 'to be  or not' }), { at, seed: '1' });
  const [effect] = started.effects;
  if (effect?.type !== 'startActivity') throw new Error('nothing was started');
  const words = await activities[effect.src]!(effect.input, activityContext());
  const ended = statechart.step(started.snapshot, activityDone(effect.id, effect.visit, words), { at, seed: '2' });

  expect(ended?.snapshot).toMatchObject({ status: 'done', value: 'succeeded', output: { words: 4 } });
});
