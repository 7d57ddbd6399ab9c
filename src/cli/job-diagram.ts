import { jobTypes } from '../../machines/index.ts';
import type { JobTypeId } from '../domain/ids.ts';
import { jobTypeOf } from '../domain/job-type.ts';
import { stateDiagram } from '../domain/statechart/diagram.ts';
import { machineShape } from '../domain/statechart/shape.ts';
import { write } from './output.ts';

export async function jobDiagram(id: JobTypeId): Promise<void> {
  await write(stateDiagram(machineShape(jobTypeOf(jobTypes, id).machine)));
}
