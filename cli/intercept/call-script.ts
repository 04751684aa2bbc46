/** A program in a line, for `node -e` with what to call as JSON: so it needs no file, which another user could not read. */

/** Prints `connected`, or why not. With the user and group of another: as effective ones, by which the kernel knows whose a socket is. */
export const callScript = `
const { address: host, port, timeoutMs, localAddress, uid, gid } = JSON.parse(process.argv[1]);
const end = (how) => { console.log(how); process.exit(0); };
try {
  if (gid !== undefined) process.setegid(gid);
  if (uid !== undefined) process.seteuid(uid);
} catch (error) {
  end('cannot be tried as user ' + uid + ' (' + error.code + ')');
}
const socket = require('node:net').connect({ host, port, localAddress });
setTimeout(() => end(socket.connecting ? 'no answer' : 'connected'), timeoutMs);
socket.once('error', (error) => end(error.code ?? error.message));
socket.once('connect', () => socket.resume().once('end', () => end('connected')).once('error', () => end('connected')));
`;
