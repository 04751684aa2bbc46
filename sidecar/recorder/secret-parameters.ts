/** Parameters of a query whose values no record, tap or report shows, beside those in which a listener takes tokens: what usually holds a secret or a signature. In lower case. */
import { accessTokenParameter } from '../access-log/hidden-parameters.ts';

export const secretParameters: readonly string[] = [
  accessTokenParameter,
  ...['api_key', 'api-key', 'apikey', 'key', 'auth', 'authorization', 'code', 'jwt', 'token', 'idtoken'],
  ...['id_token', 'refresh_token', 'accesstoken', 'client_secret', 'private_key', 'secret', 'session_id', 'sessionid'],
  ...['pass', 'passcode', 'passphrase', 'passwd', 'password', 'pin', 'pw', 'pwd', 'otp', 'sig', 'signature'],
  ...['access_key', 'secret_key', 'credential', 'credentials', 'bearer', 'sess', 'session', 'sid', 'csrf_token'],
  ...['assertion', 'client_assertion', 'code_verifier', 'samlresponse'],
  // Signed addresses of object stores; OpenTelemetry wants these hidden too.
  ...['awsaccesskeyid', 'x-amz-credential', 'x-amz-security-token', 'x-amz-signature'],
  ...['x-goog-credential', 'x-goog-signature', 'googleaccessid'],
];
