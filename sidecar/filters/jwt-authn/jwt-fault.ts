/** Why a token is not good, in Envoy's words, which stand in `response_code_details` and in answers: what people search for. The last three are ours. */
export const jwtFault = {
  missing: 'Jwt is missing',
  notYetValid: 'Jwt not yet valid',
  expired: 'Jwt is expired',
  badFormat: 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  headerBase64: 'Jwt header is an invalid Base64url encoded',
  headerJson: 'Jwt header is an invalid JSON',
  badAlgorithm: 'Jwt header [alg] field is required and must be a string',
  unsupportedAlgorithm: 'Jwt header [alg] is not supported',
  badKeyId: 'Jwt header [kid] field is not a string',
  payloadBase64: 'Jwt payload is an invalid Base64url encoded',
  payloadJson: 'Jwt payload is an invalid JSON',
  badIssuer: 'Jwt payload [iss] field is not a string',
  badSubject: 'Jwt payload [sub] field is not a string',
  badId: 'Jwt payload [jti] field is not a string',
  badAudience: 'Jwt payload [aud] field is not a string or string list',
  signatureBase64: 'Jwt signature is an invalid Base64url encoded',
  unknownIssuer: 'Jwt issuer is not configured',
  audienceNotAllowed: 'Audiences in Jwt are not allowed',
  verificationFails: 'Jwt verification fails',
  noKeys: "Jwks doesn't have any valid public key",
  noKeyMatches: "Jwks doesn't have key to match kid or alg from Jwt",
  critical: 'Jwt header [crit] is not supported',
  tooLong: 'Jwt is too long',
  unusableClaim: 'Jwt has a claim that cannot stand in a header',
} as const;

export type JwtFault = string;

/** `iat`, `nbf` or `exp` that is no time. */
export function badTime(claim: string, number: boolean): JwtFault {
  return `Jwt payload [${claim}] field is not ${number ? 'a positive 64 bit integer' : 'an integer'}`;
}
