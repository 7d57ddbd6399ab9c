import type { Metrics } from './metrics.ts';

/** For ENABLE_MONITORING=false. */
export const noMetrics: Metrics = {
  observer: { started() {}, ended() {}, heldBack() {} },
  dependencies: { breaker() {}, refused() {} },
  close: () => Promise.resolve(),
};
