/** README's examples are code: they must do what they say. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Activities, Child } from '../src/domain/activity.ts';
import type { ListedPage } from '../src/domain/batch-ledger.ts';
import type { DefinedJob } from '../src/domain/define-job.ts';
import type { JobType } from '../src/domain/job-type.ts';
import { runnable } from '../src/runtime/job-types.ts';
import { playRun } from '../src/testing/index.ts';
import { activityContext } from './support/activity-context.ts';

const root = new URL('..', import.meta.url).pathname;
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [stepsCode, stepsLine, statechartCode, statechartLine, batchCode] = [...readme.matchAll(/```ts.*\n([\s\S]*?)```/g)].map(
  (block) => block[1]!,
);
const folder = mkdtempSync(join(root, '.readme-')); // beside `src`, because the examples import from there
afterAll(() => rmSync(folder, { recursive: true }));

it('adds a job made of steps with the lines that README shows', async () => {
  expect(stepsCode!.trimEnd().split('\n').length).toBeLessThanOrEqual(20);
  const { pageWords } = await imported<{ pageWords: DefinedJob }>('page-words.machine.ts', stepsCode!);
  const line = `import { pageWords } from './page-words.machine.ts';\nexport const byJobType = { ${stepsLine} };`;
  const { byJobType } = await imported<{ byJobType: Record<string, Activities> }>('step-activities.ts', line);
  const { jobType } = pageWords;
  const input = { url: 'data:text/plain,to be  or not' };
  const ended = await playRun({ jobType, activities: byJobType[jobType.id]! }, { input });
  expect(ended).toMatchObject({ outcome: 'succeeded', output: { results: { count: 4 }, attempts: { download: 1, count: 1 } } });
});

it('adds a statechart with the lines that README shows', async () => {
  const { wordCount } = await imported<{ wordCount: JobType }>('word-count.machine.ts', statechartCode!);
  const line = `export const byJobType = { ${statechartLine} };`;
  const { byJobType } = await imported<{ byJobType: Record<string, Activities> }>('activities.ts', line);
  const ended = await playRun({ jobType: wordCount, activities: byJobType[wordCount.id]! }, { input: { text: 'to be  or not' } });
  expect(ended).toMatchObject({ outcome: 'succeeded', output: { words: 4 } });
});

it('adds a batch with the lines that README shows', async () => {
  const { countPages } = await imported<{ countPages: DefinedJob }>('count-pages.machine.ts', batchCode!);
  const pages = ['a', 'b', 'c'].map((page) => `https://example.org/${page}`);
  const index = createServer((request, response) => {
    const query = new URL(request.url!, 'http://localhost').searchParams;
    const from = Number(query.get('from'));
    response.end(JSON.stringify({ urls: pages.slice(from, from + Number(query.get('limit'))), total: pages.length }));
  }).listen(0, '127.0.0.1');
  await once(index, 'listening');
  const input = countPages.jobType.input.parse({ index: `http://127.0.0.1:${(index.address() as AddressInfo).port}/` });
  const { activities } = runnable(countPages.jobType, countPages.activities);
  const items: string[] = [];
  for (let cursor: string | null = null, complete = false; !complete; ) {
    const page = (await activities.listItems!({ input, cursor, limit: 2 }, activityContext())) as ListedPage & { items: string[] };
    items.push(...page.items);
    cursor = page.next;
    complete = cursor === null;
  }
  index.close();
  const started: Child[] = [];
  const children = { start: async (all: readonly Child[]) => void started.push(...all), cancel: async () => undefined };
  const first = { input, childIds: { start: 'nightly-', end: '' }, first: 0, items, itemsPerChild: 1 };
  await activities.startChildren!(first, { ...activityContext(), children });
  expect(started).toEqual(pages.map((url, number) => ({ jobType: 'page-words', runId: `nightly-${number}`, input: { url } })));
});

async function imported<Module>(file: string, code: string): Promise<Module> {
  writeFileSync(join(folder, file), code);
  return (await import(join(folder, file))) as Module;
}
