/** The Pods of one namespace, found by labels without looking at each: a namespace may have thousands of both Pods and Services. */
import { selects } from '../../model/selects.ts';
import type { KeptPod } from './kept-pod.ts';

const none: ReadonlySet<KeptPod> = new Set();

export class PodIndex {
  readonly #byKey = new Map<string, KeptPod>();
  /** By `key=value`. */
  readonly #byLabel = new Map<string, Set<KeptPod>>();

  get(key: string): KeptPod | undefined {
    return this.#byKey.get(key);
  }

  all(): Iterable<KeptPod> {
    return this.#byKey.values();
  }

  put(pod: KeptPod): void {
    this.remove(pod.key);
    this.#byKey.set(pod.key, pod);
    for (const label of labelsOf(pod.labels)) {
      const pods = this.#byLabel.get(label);
      if (pods === undefined) this.#byLabel.set(label, new Set([pod]));
      else pods.add(pod);
    }
  }

  remove(key: string): void {
    const pod = this.#byKey.get(key);
    if (pod === undefined) return;
    this.#byKey.delete(key);
    for (const label of labelsOf(pod.labels)) {
      const pods = this.#byLabel.get(label)!;
      pods.delete(pod);
      if (pods.size === 0) this.#byLabel.delete(label);
    }
  }

  /** Those with all of the labels; `selector` has at least one. */
  selected(selector: Readonly<Record<string, string>>): KeptPod[] {
    let fewest: ReadonlySet<KeptPod> | null = null;
    for (const label of labelsOf(selector)) {
      const pods = this.#byLabel.get(label) ?? none;
      if (fewest === null || pods.size < fewest.size) fewest = pods;
    }
    return [...(fewest ?? none)].filter(({ labels }) => selects(selector, labels));
  }
}

function labelsOf(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`);
}
