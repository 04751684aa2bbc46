/** Ends this process as SIGTERM does when the demo is gone, however it went: its channel (Node's IPC) closes then. Without a channel nothing happens. */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
