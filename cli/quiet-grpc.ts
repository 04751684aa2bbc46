/** grpc-js writes lines of its own to stderr, beside ours of the same fault. Imported for its effect by commands that use it; GRPC_VERBOSITY, when set, has its way. */
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';

if (process.env['GRPC_VERBOSITY'] === undefined && process.env['GRPC_NODE_VERBOSITY'] === undefined)
  setLogVerbosity(logVerbosity.NONE);
