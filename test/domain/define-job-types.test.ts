/** What the compiler refuses: `tsc` reads this file, and fails when one of the lines it expects to be wrong is right. */
import { expect, it } from 'vitest';
import { z } from 'zod';
import { defineJob } from '../../src/domain/define-job.ts';

const job = () =>
  defineJob({ id: 'typed', summary: '', input: z.object({ url: z.string() }) }).step('first', {
    output: z.object({ path: z.string() }),
    run: async ({ input }) => ({ path: input.url }),
  });
const number = z.int();
const text = z.string();
const withThird = (run: Parameters<ReturnType<typeof job>['step']>[1]['run']) =>
  job()
    .step('second', { output: text, run: async (...all) => String(await run(...all)) })
    .step('third', { output: text, run: async () => '' });

it('an earlier result and the input have the types of their schemas', () => {
  const built = job().step('second', {
    output: number,
    run: async ({ input, results, attempt }) => input.url.length + results.first.path.length + attempt,
  });
  expect(Object.keys(built.build().activities)).toEqual(['first', 'second']);
});

it('what JSON holds may be optional, nullable, nested or any JSON', () => {
  const output = z.object({
    some: z.array(z.object({ at: text.optional() })).nullable(),
    counts: z.record(z.string(), number),
    rest: z.json(),
  });
  const built = job().step('second', { output, run: async () => ({ some: [{}], counts: { a: 1 }, rest: [{ b: null }] }) });
  expect(Object.keys(built.step('third', { output: z.null(), run: async () => null }).build().activities)).toHaveLength(3);
});

it('the compiler refuses the rest', () => {
  const refused = [
    // @ts-expect-error the schema says it is a number
    () => job().step('second', { output: number, run: async () => 'a text' }),
    // @ts-expect-error the input has no such field
    () => job().step('second', { output: text, run: async ({ input }) => input.path }),
    // @ts-expect-error it is a text
    () => job().step('second', { output: number, run: async ({ results }) => results.first.path }),
    // @ts-expect-error `third` comes after it
    () => withThird(async ({ results }) => results.third),
    // @ts-expect-error a step cannot read its own result
    () => job().step('second', { output: text, run: async ({ results }) => results.second }),
    // @ts-expect-error the name is taken
    () => job().step('first', { output: number, run: async () => 1 }),
    // @ts-expect-error a date does not come back from the log as a date
    () => job().step('second', { output: z.date(), run: async () => new Date(0) }),
    // @ts-expect-error nor does one in the input
    () => defineJob({ id: 'typed', summary: '', input: z.object({ since: z.date() }) }),
    // @ts-expect-error a job without steps does nothing
    () => defineJob({ id: 'typed', summary: '', input: z.object({}) }).build(),
  ];
  expect(refused).toHaveLength(9); // never called: the compiler is the test
});
