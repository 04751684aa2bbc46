/** A fault that the user can mend: printed as one line without a stack. Everything else that is thrown is ours, and keeps its stack. */
export class UserError extends Error {
  /** 1: a problem found or a failure; 2: wrong usage. */
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
