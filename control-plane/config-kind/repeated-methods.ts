/** HTTP methods of requests that a policy lets run twice. */
import { z } from 'zod';

/** CONNECT is not among them: a tunnel cannot be sent again. */
export const repeatedMethods = z
  .array(z.enum(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'POST', 'PATCH']))
  .min(1, { error: 'is empty; leave it out' })
  .max(8, { error: 'has more than 8 entries' });
