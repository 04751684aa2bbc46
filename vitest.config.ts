import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Those that ask for figures, and those that load both cores: one after another, when the others are over. */
const alone = [
  'chaos',
  'dashboard-speed',
  'dead-host',
  'endpoint-churn',
  'injected-pods',
  'kubernetes-source',
  'intercepted-rollout',
  'overload',
  'retries-as-envoy',
  'retry-storm',
  'rotation-under-load',
  'simulated-fleet',
  'slow-service',
].map((name) => `test/interop/${name}.test.ts`);

/** The one that takes longest begins first, or all would wait for it at the end: it builds the image, which one that runs alone wants too. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const longest = ({ moduleId }: TestSpecification): boolean => moduleId.endsWith('/container-image.test.ts');
    const sorted = await super.sort(files);
    return [...sorted.filter(longest), ...sorted.filter((file) => !longest(file))];
  }
}

const interop = { testTimeout: 300_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    // Files beside each other, unit and integration mixed. Vitest's own choice leaves one core out: of two that is half.
    maxWorkers: 2,
    // Tests of one file that say that they can (`concurrent`): they wait for processes.
    maxConcurrency: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          // Folders of test/interop are parts of a test, which have unit tests of their own.
          include: [
            '{sidecar,control-plane,proto,certs,metrics,net,yaml,cli,dashboard,demo,bench,deploy}/**/*.test.ts',
            'test/interop/*/**/*.test.ts',
            'test/peers/**/*.test.ts',
          ],
          // Properties of whole meshes, on a machine that others use too.
          testTimeout: 60_000,
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
          ...interop,
          name: 'interop',
          include: ['test/interop/*.test.ts'],
          exclude: alone,
          // They wait for processes and for time more than they work.
          fileParallelism: true,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          ...interop,
          name: 'interop-alone',
          include: alone,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
