/**
 * The states of a stream (RFC 9113 5.1), without those of server push. `send` is what we do, `recv` what the peer does.
 *
 *                        +--------+
 *                        |  idle  |
 *                        +--------+
 *                             |  send HEADERS / recv HEADERS
 *                             v
 *            recv ES     +--------+     send ES
 *           ,------------|  open  |------------.
 *           v            +--------+            v
 *   +--------------+          |         +--------------+
 *   | half-closed  |          |         | half-closed  |
 *   |   (remote)   |          |         |   (local)    |
 *   +--------------+          |         +--------------+
 *           |                 | send RST        |
 *           | send ES         | recv RST        | recv ES
 *           | send/recv RST   v                 | send/recv RST
 *           |            +--------+             |
 *           `----------->| closed |<------------'
 *                        +--------+
 *
 * Idle is only seen on the client side: between newStream and sendHead. How a closed stream came to its end is remembered in
 * closed-streams.ts.
 */

export const stateIdle = 0;
export const stateOpen = 1;
export const stateHalfClosedLocal = 2;
export const stateHalfClosedRemote = 3;
export const stateClosed = 4;
