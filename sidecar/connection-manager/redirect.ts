/** Heads of redirects and fixed answers that a route asks for. */
import { HeaderFields } from '../codec/header-fields.ts';
import { ResponseHead } from '../codec/message-head.ts';

/** `location` '' for a fixed answer. */
export function redirectReply(status: number, location: string): ResponseHead {
  return new ResponseHead(status, location === '' ? new HeaderFields() : HeaderFields.of(['location', location]));
}
