/** `outrigger validate`: every fault of configuration files, in the words of the control plane itself. */
import { faultText } from '../../control-plane/source/fault.ts';
import { type Validation, validatePaths } from '../../control-plane/source/validate-paths.ts';
import { type OutputFormat, printData } from '../print-data.ts';

/** Exit code 1 when there is a fault. */
export function validate(
  paths: readonly string[],
  options: { readonly output: OutputFormat },
  wallMs: () => number,
): Promise<number> {
  const { faults, warnings, files, resources } = validatePaths(paths, wallMs);
  if (options.output !== 'table') {
    printData(
      [
        ...faults.map((fault) => ({ severity: 'error', ...fault })),
        ...warnings.map((fault) => ({ severity: 'warning', ...fault })),
      ],
      [],
      options.output,
    );
  } else {
    for (const fault of faults) process.stdout.write(`${faultText(fault)}\n`);
    for (const warning of warnings) process.stdout.write(`${faultText(warning)} (warning)\n`);
  }
  process.stderr.write(`${summary({ faults, warnings, files, resources })}\n`);
  return Promise.resolve(faults.length === 0 ? 0 : 1);
}

function summary({ faults, warnings, files, resources }: Validation): string {
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  const found = warnings.length === 0 ? '' : `, ${count(warnings.length, 'warning')}`;
  return `${count(files, 'file')}, ${count(resources, 'resource')}: ${faults.length === 0 && found === '' ? 'no fault' : `${count(faults.length, 'fault')}${found}`}`;
}
