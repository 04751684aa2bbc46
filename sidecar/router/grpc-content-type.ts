/** Whether a content type says gRPC (not gRPC-Web): `application/grpc`, alone, with a subtype after `+`, or with parameters. */
export function isGrpcContentType(value: string): boolean {
  if (!value.startsWith('application/grpc')) return false;
  if (value.length === 16) return true;
  const next = value.charCodeAt(16);
  // '+' or ';'
  return next === 43 || next === 59;
}
