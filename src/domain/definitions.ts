/** The definitions of a job type that this code knows, and how a run that is on another one moves to the newest (invariant 9). */
import { type Adoption, adoptRun, problemsOf } from './adoption.ts';
import { DefinitionChangedError, JobTypeError } from './errors.ts';
import type { JobType } from './job-type.ts';
import type { Decision, Facts, Run } from './run.ts';
import { hashOf } from './statechart/definition-hash.ts';
import { type FoldableStatechart, foldable } from './statechart/fold.ts';

export class Definitions {
  /** New runs start on it. */
  readonly newest: FoldableStatechart;
  readonly #statecharts = new Map<string, FoldableStatechart>();
  readonly #adoptions = new Map<string, Adoption>();

  /** @throws {JobTypeError} They contradict each other, or a mapping names what is not there. */
  constructor({ id, machine, previous = [], adopt = [] }: Pick<JobType, 'id' | 'machine' | 'previous' | 'adopt'>) {
    const problems: string[] = [];
    for (const statechart of [machine, ...previous.map((old) => old.machine)].map((each) => foldable(each))) {
      const { definitionHash: hash } = statechart;
      if (this.#statecharts.has(hash))
        problems.push(`definition ${hash} is there twice: remove it from \`previous\`, or tell the machines apart by their \`version\``);
      else this.#statecharts.set(hash, statechart);
    }
    for (const adoption of adopt) {
      const hash = hashOf(adoption.from);
      if (this.#statecharts.has(hash))
        problems.push(`runs on definition ${hash} go on as they are, it is registered: remove it from \`adopt\` or from \`previous\``);
      if (this.#adoptions.has(hash)) problems.push(`adopt from ${hash}: it is there twice`);
      problems.push(...problemsOf(adoption, machine));
      this.#adoptions.set(hash, adoption);
    }
    if (problems.length > 0)
      throw new JobTypeError(`job type ${id} cannot be run:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    [this.newest] = [...this.#statecharts.values()] as [FoldableStatechart];
  }

  /** The newest first. */
  get registered(): ReadonlyMap<string, FoldableStatechart> {
    return this.#statecharts;
  }

  /**
   * For a run whose definition is not registered.
   * @throws {DefinitionChangedError} There is no mapping for it.
   * @throws {AdoptionRefusedError} The mapping does not fit the state it is in.
   */
  adopt(run: Run, facts: Facts): Decision {
    const adoption = this.#adoptions.get(run.definition);
    if (adoption === undefined) throw new DefinitionChangedError(run.jobType, run.runId, run.definition, [...this.#statecharts.keys()]);
    return adoptRun(this.newest, adoption, run, facts);
  }
}
