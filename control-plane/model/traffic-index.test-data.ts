/** Documents as resources, and rows of policies in short. Test data only. */
import { listPoliciesInUse } from '../admin/workload-list.ts';
import type { Resource } from '../config-kind/resource.ts';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';
import type { Model } from './model.ts';

export function trafficResources(...documents: readonly string[]): readonly Resource[] {
  const { resources, faults } = parseFile('p.yaml', documents.join('\n---\n'));
  if (faults.length > 0) throw new Error(faults.map(faultText).join('\n'));
  return resources;
}

/** Name, how many targets it holds for, and which there are. */
export function checkPolicyRows(model: Model): Array<readonly [string, number, readonly string[]]> {
  return listPoliciesInUse({ model, instances: [], proxies: [] }).map(
    ({ name, workloads, holdsFor }) => [name, workloads, holdsFor] as const,
  );
}
