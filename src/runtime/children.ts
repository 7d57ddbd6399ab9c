/** Runs that a run starts. Each is a run of its own, never folded into its parent (DESIGN §5). */
import type { Children } from '../domain/activity.ts';
import { jobTypeId, runId } from '../domain/ids.ts';
import { CANCEL } from '../domain/signal.ts';
import type { CommandSender, RunAddress } from './ports.ts';

export const childrenOf = (parent: RunAddress, commands: CommandSender): Children => ({
  async start(children) {
    const starts = children.map((child) => ({ ...child, jobType: jobTypeId(child.jobType), runId: runId(child.runId) }));
    await Promise.all(starts.map((child) => commands.start({ ...child, input: child.input, parent })));
  },
  async cancel(children, why) {
    const addresses = children.map((child) => ({ jobType: jobTypeId(child.jobType), runId: runId(child.runId) }));
    const signal = { event: { type: CANCEL }, actor: { who: `${parent.jobType}/${parent.runId}`, why }, optional: true };
    await Promise.all(addresses.map((child) => commands.signal(child, signal)));
  },
});
