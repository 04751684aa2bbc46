/** gRPC's status codes and HTTP's, each by the other. They are two mappings, not one and its inverse. */

const httpStatuses: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

/** Where something that thinks in HTTP (outlier detection) has to judge a gRPC answer; the mapping is Envoy's. `text`: the value of `grpc-status`. One that is no known code counts as 500. */
export function httpStatusOfGrpc(text: string): number {
  return (/^\d{1,2}$/.test(text) ? httpStatuses[Number(text)] : undefined) ?? 500;
}

/** What a gRPC client makes of an HTTP status (gRPC's http-grpc-status-mapping). */
export function grpcStatusOfHttp(status: number): number {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return status >= 200 && status < 300 ? 0 : 2;
  }
}
