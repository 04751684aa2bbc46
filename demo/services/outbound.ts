/** What `outrigger run` hands to a process of the mesh. */

/** The sidecar's outbound listener: send requests there, with the service's name as Host or `:authority`. */
export const outbound = process.env['OUTRIGGER_OUTBOUND'] ?? '127.0.0.1:15001';

/** The port that this service listens on. */
export const port = Number(process.env['PORT'] ?? 0);
