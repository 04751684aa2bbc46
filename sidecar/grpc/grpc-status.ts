/** gRPC status codes as HTTP statuses, where something that thinks in HTTP (outlier detection) has to judge a gRPC answer. The mapping is Envoy's. */

const httpStatuses: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

/** `text`: the value of `grpc-status`. One that is no known code counts as 500. */
export function httpStatusOfGrpc(text: string): number {
  return (/^\d{1,2}$/.test(text) ? httpStatuses[Number(text)] : undefined) ?? 500;
}
