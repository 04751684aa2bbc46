/** Why a connection that a command made came to nothing, in words. */
export function connectionFault(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  // The second is fetch's.
  if (code.startsWith('HPE_') || message.startsWith('Response does not match the HTTP'))
    return 'what answers there speaks no HTTP';
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ECONNRESET':
      return 'what answers there closed the connection';
    case 'ENOTFOUND':
      return 'there is no such host';
    default:
      return message;
  }
}
