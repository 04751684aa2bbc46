/** One at a time changes the rules of a network namespace: a name in that very namespace (an abstract socket), which goes with the process that has it. */
import { createServer, type Server } from 'node:net';
import { UserError } from '../user-error.ts';

const interceptName = '\0outrigger-intercept';
const triesMs = 100;
const patienceMs = 10_000;

/** Waits for another one that is at work. Throws a UserError when that one does not end. */
export function withInterceptLock<T>(work: () => T | Promise<T>): Promise<T> {
  return withNamespaceLock(interceptName, work);
}

/** The same under another name, which begins with a NUL. */
export async function withNamespaceLock<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  const server = await taken(name);
  try {
    return await work();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

async function taken(name: string): Promise<Server> {
  for (let waitedMs = 0; ; waitedMs += triesMs) {
    const server = createServer((socket) => socket.destroy());
    const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      server.once('error', resolve);
      server.listen(name, () => resolve(null));
    });
    if (error === null) return server;
    if (error.code !== 'EADDRINUSE') throw error;
    if (waitedMs >= patienceMs)
      throw new UserError(
        'another outrigger is at work on this network namespace and does not end; look for it with ss -xlp',
      );
    await new Promise((resolve) => setTimeout(resolve, triesMs));
  }
}
