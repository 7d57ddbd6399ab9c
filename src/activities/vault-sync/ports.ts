/** What the activities of this job type are given by the composition root. */
import type { Instant } from '../../domain/ids.ts';
import type { MarkerPrefix } from '../../knowledge/markers.ts';
import type { Graph, VaultFiles } from '../../knowledge/ports.ts';

export interface VaultSyncPorts {
  readonly vault: VaultFiles;
  readonly graph: Graph;
  /** What time it is, for `last_updated`. */
  readonly clock: () => Instant;
  /** @default aclarai */
  readonly prefix?: MarkerPrefix;
}

export const DEFAULT_PREFIX: MarkerPrefix = 'aclarai';
