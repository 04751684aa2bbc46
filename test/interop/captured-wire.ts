/** What is said on an interface of a network namespace, byte by byte, while it is looked at: the proof of what is encrypted there and what is not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StartedProgram } from '../peers/started-program.ts';
import type { InterceptedHost, InterceptedMesh } from './intercepted-mesh.ts';

let captures = 0;

export class CapturedWire {
  readonly #file: string;
  readonly #program: StartedProgram;

  private constructor(file: string, program: StartedProgram) {
    this.#file = file;
    this.#program = program;
  }

  /** At the end of the host's cable. */
  static async start(mesh: InterceptedMesh, host: InterceptedHost): Promise<CapturedWire> {
    const file = join(mesh.stage.folder, `capture-${captures++}`);
    const script = join(import.meta.dirname, 'capture.py');
    const program = mesh.program('capture', mesh.hub, ['python3', script, host.device, file]);
    await program.line(/capturing/);
    return new CapturedWire(file, program);
  }

  /** Ends it. */
  async stop(): Promise<Buffer> {
    await this.#program.stop();
    return readFileSync(this.#file);
  }
}
