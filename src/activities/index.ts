/** The code behind each job type's statechart. Add a line per job type. */
import type { Activities } from '../domain/activity.ts';
import type { ActivityMakers } from '../runtime/activity-makers.ts';
import { nightlyActivities } from './nightly/index.ts';
import { type VaultSyncPorts, vaultSyncActivities } from './vault-sync/index.ts';

/** Everything that activities may use of the world, and the ways to have one done elsewhere. */
export type ActivityParts = VaultSyncPorts & ActivityMakers;

export const activitiesByJobType = (parts: ActivityParts): Readonly<Record<string, Activities>> => ({
  nightly: nightlyActivities,
  'vault-sync': { ...vaultSyncActivities(parts) },
});
