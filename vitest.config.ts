import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const filesOf = (names: readonly string[]): string[] => names.map((name) => `test/interop/${name}.test.ts`);

/** Those that ask for figures: one after another, when the others are over. */
const alone = filesOf([
  'dashboard-speed',
  'dead-host',
  'overload',
  'retries-as-envoy',
  'retry-storm',
  'rotation-under-load',
  'simulated-fleet',
  'slow-service',
]);

/** Those that load the machine and have room: they ask that nothing fails, and for figures that another beside them does not spoil. No more than two at once. What `chaos` lost for want of a core it counts apart. */
const busy = filesOf(['chaos', 'endpoint-churn', 'injected-pods', 'intercepted-rollout', 'kubernetes-source']);

/** Those that take longest begin first, or all would wait for them at the end. The image is built by the first, and another wants it too. */
const longest = filesOf(['container-image', 'chaos']);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => longest.some((file) => moduleId.endsWith(`/${file}`));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
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
          exclude: [...busy, ...alone],
          // They wait for processes and for time more than they work: three of them leave two fifths of two cores idle.
          fileParallelism: true,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          ...interop,
          name: 'interop-busy',
          include: busy,
          fileParallelism: true,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          ...interop,
          name: 'interop-alone',
          include: alone,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
