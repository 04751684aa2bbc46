/** Tells a program that was started with an IPC channel that the other end is gone, however it went. Without a channel it is never told. */

export function onParentGone(callback: () => void): void {
  if (process.send !== undefined && !process.connected) callback();
  else process.once('disconnect', callback);
}
