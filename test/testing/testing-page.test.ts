/** The examples of docs/testing.md are tests: they are written down as files and imported, so they run as tests of this one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const examples = [...readFileSync(join(root, 'docs/testing.md'), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map((block) => block[1]!);
const folder = mkdtempSync(join(root, '.readme-')); // beside `src`, because the examples import from there
afterAll(() => rmSync(folder, { recursive: true }));

it('the page has examples, each with tests in it', () => {
  expect(examples).toHaveLength(3);
  for (const example of examples) expect(example).toMatch(/^it\(/m);
});

for (const [index, example] of examples.entries()) {
  const file = join(folder, `example-${index + 1}.ts`);
  writeFileSync(file, example);
  describe(`example ${index + 1}`, () => import(file).then(() => undefined));
}
