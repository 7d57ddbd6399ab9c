/** JetStream speaks nanoseconds, and only `streams/` and `adapters/nats` do (DESIGN, style). */
export const nanosOf = (ms: number): number => ms * 1_000_000;
