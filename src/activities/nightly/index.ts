import type { NightlyActivities } from '../../../machines/nightly.machine.ts';
import { childIdsOf } from '../../domain/child-ids.ts';

/** The activities of `nightly`: all it does is start and cancel the runs of others. */
export const nightlyActivities: NightlyActivities = {
  nameChildren: async ({ longest }, context) => childIdsOf(context, longest),
  async startChild(child, { children }) {
    await children.start([child]);
    return null;
  },
  async cancelChild({ why, ...child }, { children }) {
    await children.cancel([child], why);
    return null;
  },
};
