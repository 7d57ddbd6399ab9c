import type { Source } from '../source.ts';

/** `NATS_SERVER` names a binary. Whoever sets it wants that one: it is used, or the search stops with what is wrong with it. */
export const fromEnvironment: Source = {
  name: 'NATS_SERVER',
  installs: false,
  nothing: 'not set',
  look: async ({ env }) => (env.NATS_SERVER ? [env.NATS_SERVER] : []),
};
