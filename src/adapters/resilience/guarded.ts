import type { Activity, ActivityContext } from '../../domain/activity.ts';
import type { Dependency } from '../../runtime/activity-makers.ts';

/** The same activity, as one call of the dependency, or of the one that this start of it needs. */
export function guarded<Input, Output>(
  needed: Dependency | ((context: ActivityContext) => Dependency),
  activity: Activity<Input, Output>,
): Activity<Input, Output> {
  return (input, context) => {
    const dependency = typeof needed === 'function' ? needed(context) : needed;
    return dependency.run((signal) => activity(input, { ...context, signal }), context.signal);
  };
}
