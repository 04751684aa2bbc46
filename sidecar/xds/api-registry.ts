/** Every message type that may stand in an `Any` of the configuration, and those that carry it. */
import { createRegistry } from '@bufbuild/protobuf';
import { BootstrapSchema } from '../../proto/generated/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema } from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../../proto/generated/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../proto/generated/envoy/config/route/v3/route_pb.js';
import { FileAccessLogSchema } from '../../proto/generated/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { StderrAccessLogSchema, StdoutAccessLogSchema } from '../../proto/generated/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { RouterSchema } from '../../proto/generated/envoy/extensions/filters/http/router/v3/router_pb.js';
import { TlsInspectorSchema } from '../../proto/generated/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { HttpConnectionManagerSchema } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { RawBufferSchema } from '../../proto/generated/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import { DownstreamTlsContextSchema, UpstreamTlsContextSchema } from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { HttpProtocolOptionsSchema } from '../../proto/generated/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';

export const apiRegistry = createRegistry(
  BootstrapSchema,
  ClusterSchema,
  ClusterLoadAssignmentSchema,
  ListenerSchema,
  RouteConfigurationSchema,
  FileAccessLogSchema,
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
  RouterSchema,
  TlsInspectorSchema,
  HttpConnectionManagerSchema,
  RawBufferSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
  HttpProtocolOptionsSchema,
);
