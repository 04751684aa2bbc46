import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Files beside each other, unit and integration mixed. Vitest's own choice leaves one core out: of two that is half.
    maxWorkers: 2,
    // Tests of one file that say that they can (`concurrent`): they wait for processes.
    maxConcurrency: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          // Folders of test/interop are parts of a test, which have unit tests of their own.
          include: [
            '{sidecar,control-plane,proto,certs,yaml,cli,demo,bench}/**/*.test.ts',
            'test/interop/*/**/*.test.ts',
          ],
          testTimeout: 20_000,
          // To load everything anew for each file took longer than the tests. So no test may leave anything behind in a module.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'interop',
          include: ['test/interop/*.test.ts'],
          testTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
