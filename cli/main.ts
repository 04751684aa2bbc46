/** What bin/outrigger runs: the program (program.ts), its exit code, and faults as one line. */
import './no-debugger.ts';
import { CommanderError } from 'commander';
import { heedBrokenPipes } from './broken-pipe.ts';
import { inTheirWords } from './environment.ts';
import { helpWords } from './help-words.ts';
import { program } from './program.ts';
import { UserError } from './user-error.ts';

heedBrokenPipes(['control-plane', 'sidecar', 'run', 'demo'].includes(process.argv[2] ?? ''));
let variables: ReadonlyMap<string, string> = new Map();
try {
  await program((found) => {
    variables = found;
  }).parseAsync(helpWords(process.argv.slice(2)), { from: 'user' });
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof UserError) {
    process.stderr.write(`outrigger: ${inTheirWords(error.message, variables)}\n`);
    process.exitCode = error.exitCode;
  } else throw error;
}
