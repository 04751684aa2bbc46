/** `outrigger validate`: every fault of configuration files, in the words of the control plane itself. */
import { faultText } from '../../control-plane/source/fault.ts';
import { validatePaths } from '../../control-plane/source/validate-paths.ts';
import { type OutputFormat, printData } from '../print-data.ts';

/** Exit code 1 when there is a fault. */
export function validate(paths: readonly string[], options: { readonly output: OutputFormat }): Promise<number> {
  const { faults, warnings, files, resources } = validatePaths(paths);
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
  process.stderr.write(
    `${files} file${files === 1 ? '' : 's'}, ${resources} resource${resources === 1 ? '' : 's'}: ${faults.length === 0 ? 'no fault' : `${faults.length} fault${faults.length === 1 ? '' : 's'}`}\n`,
  );
  return Promise.resolve(faults.length === 0 ? 0 : 1);
}
