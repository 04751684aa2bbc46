/**
 * Files and Kubernetes as one source: what stands in a file goes before an object of the same kind and name in Kubernetes, and that is told. The same lists as before while nothing changes. Warnings of files are left out: they
 * look at files alone, and the model, made of both, has the same ones where they are true.
 */
import { type Resource, resourceName } from '../config-kind/resource.ts';
import type { RegisteredInstance } from '../model/registered-instance.ts';
import type { SourceFault, SourceState } from './configuration-files.ts';

export class CombinedSources {
  #files: SourceState | null = null;
  #kubernetes: readonly Resource[] | null = null;
  #resources: readonly Resource[] = [];
  #faults: readonly SourceFault[] = [];
  #registered: readonly RegisteredInstance[] | null = null;
  #pods: readonly RegisteredInstance[] | null = null;
  #instances: readonly RegisteredInstance[] = [];

  /** `kubernetes` null: there is none. */
  state(files: SourceState, kubernetes: SourceState | null): SourceState {
    if (kubernetes === null) return { ...files, warnings: [] };
    if (this.#files?.resources !== files.resources || this.#kubernetes !== kubernetes.resources) {
      const inFiles = new Map(files.resources.map((resource) => [resourceName(resource), resource]));
      const others = kubernetes.resources.filter((resource) => !inFiles.has(resourceName(resource)));
      this.#resources = files.resources.length === 0 ? kubernetes.resources : [...files.resources, ...others];
      this.#faults = kubernetes.resources.flatMap((resource) => {
        const file = inFiles.get(resourceName(resource));
        if (file === undefined) return [];
        const { place } = file;
        const message = `${resourceName(resource)} stands at ${place.file}:${place.line}:${place.column} too; remove one of them (the file's is in force)`;
        return [{ ...resource.place, path: '', message, meanwhile: '', covered: true }];
      });
      this.#files = files;
      this.#kubernetes = kubernetes.resources;
    }
    return {
      resources: this.#resources,
      faults: [...files.faults, ...kubernetes.faults, ...this.#faults],
      warnings: kubernetes.warnings,
    };
  }

  instances(
    registered: readonly RegisteredInstance[],
    pods: readonly RegisteredInstance[],
  ): readonly RegisteredInstance[] {
    if (registered === this.#registered && pods === this.#pods) return this.#instances;
    this.#registered = registered;
    this.#pods = pods;
    this.#instances = pods.length === 0 ? registered : registered.length === 0 ? pods : [...registered, ...pods];
    return this.#instances;
  }
}
