/** The registry: every job type there is. A new one is a file beside this and a line here. */
import type { JobType } from '../src/domain/job-type.ts';
import { nightly } from './nightly.machine.ts';
import { vaultSync } from './vault-sync.machine.ts';

const jobs: readonly JobType[] = [vaultSync];

export const jobTypes: readonly JobType[] = [...jobs, nightly(jobs)];
