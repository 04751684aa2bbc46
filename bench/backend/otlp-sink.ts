/** Where traces of the benchmark go: a collector that takes all it gets, and one that answers nothing. */
import { join } from 'node:path';
import { StartedProgram } from '../../test/peers/started-program.ts';
import { onLoadCore } from '../measure/cores.ts';

export interface OtlpSinks {
  readonly takesPort: number;
  readonly hangsPort: number;
}

export async function startOtlpSinks(): Promise<OtlpSinks> {
  const [takesPort, hangsPort] = await Promise.all([start('takes'), start('hangs')]);
  return { takesPort, hangsPort };
}

async function start(how: 'takes' | 'hangs'): Promise<number> {
  const program = new StartedProgram(
    `collector that ${how}`,
    onLoadCore([process.execPath, join(import.meta.dirname, 'otlp-sink-program.ts'), how]),
  );
  return Number((await program.line(/^port (\d+)$/m))[1]);
}
