import { defineConfig } from 'vitest/config';

const BROKER_TESTS = 'test/**/*.int.test.ts';

/** Tests that talk to a broker run twice: on the oldest server we promise to work with, and on the newest. */
const onServer = (name: 'debian' | 'newest') => ({
  extends: true as const,
  test: { name, include: [BROKER_TESTS], env: { ALMANAC_TEST_NATS: name } },
});

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Most files start real servers and processes; more at once only makes two cores slower.
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'plain', include: ['test/**/*.test.ts'], exclude: [BROKER_TESTS] } },
      onServer('newest'),
      onServer('debian'),
    ],
  },
});
