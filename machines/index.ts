/** The registry: every job type there is. A new one is a file beside this and a line here. */
import type { JobType } from '../src/domain/job-type.ts';
import { vaultSync } from './vault-sync.machine.ts';

export const jobTypes: readonly JobType[] = [vaultSync];
