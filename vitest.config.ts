import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // The default leaves one CPU idle, and most tests wait for one thread of a program.
    maxWorkers: '100%',
    reporters: process.env.CI
      ? ['default', ['json', { outputFile: process.env.SMELT_TEST_RESULTS ?? '.test-results/vitest.json' }]]
      : ['default'],
  },
});
