/**
 * The clients that are compared. Each makes the same call: the same message, the same headers, and a
 * time limit of 30 s where the package has such a thing. Nothing is loaded before it is asked for.
 */
export const request = { userId: "165617389845094785", grantId: "165617389845094786" };
export const token = "dBAwE0h5b2Y3S0hXQ1pUQ3pSVXhRV1JtTUxhSnFhQVZ0bXN2c2Jm";
export const orgId = "69629023906488334";
const timeoutMs = 30_000;
const path = "/zitadel.management.v1.ManagementService/DeactivateUserGrant";
const headers = { "x-zitadel-orgid": orgId };

export const own = "zitadel-user-grants";
export const bare = "bare node:http2";

/** The same package as programs use it, by what they add. */
export const variants = [
  "with token source, retry",
  "with an empty interceptor",
  "with OpenTelemetry, no SDK",
  "with OpenTelemetry, spans",
];

/** What any client of Connect has to load; it makes no calls. */
export const core = "protobuf-es and Connect alone";

/** The yardstick a second time: what two processes of the same program differ by is noise. */
export const bareAgain = "bare node:http2, again";

/** What spans cost by the API of OpenTelemetry alone, beside the same request. */
export const bareWithSpans = "bare, spans";

/** Name to a function that takes the base URL and returns a function that makes one call. */
export const clients = {
  "zitadel-user-grants": async (baseUrl) => {
    const { createManagementClient } = await import("zitadel-user-grants");
    const client = createManagementClient({ baseUrl, token, orgId });
    return () => client.deactivateUserGrant(request);
  },

  "with token source, retry": async (baseUrl) => {
    const { createManagementClient } = await import("zitadel-user-grants");
    const client = createManagementClient({ baseUrl, token: () => token, orgId, retry: true });
    return () => client.deactivateUserGrant(request);
  },

  "with an empty interceptor": async (baseUrl) => {
    const { createManagementClient } = await import("zitadel-user-grants");
    const interceptors = [(next) => (call) => next(call)];
    const client = createManagementClient({ baseUrl, token, orgId, interceptors });
    return () => client.deactivateUserGrant(request);
  },

  "with OpenTelemetry, no SDK": (baseUrl) => withOpenTelemetry(baseUrl),

  "with OpenTelemetry, spans": async (baseUrl) => {
    await registerOpenTelemetry();
    return withOpenTelemetry(baseUrl);
  },

  "bare node:http2": (baseUrl) => bareCalls(baseUrl),

  "bare node:http2, again": (baseUrl) => bareCalls(baseUrl),

  "bare, spans": async (baseUrl) => {
    const { context, propagation, SpanKind, trace } = await registerOpenTelemetry();
    const tracer = trace.getTracer("bare");
    const attributes = { "rpc.system.name": "grpc", "rpc.method": path };
    const call = await bareCalls(baseUrl);
    return () => {
      const span = tracer.startSpan(path, { kind: SpanKind.CLIENT, attributes });
      const within = trace.setSpan(context.active(), span);
      const fields = {};
      propagation.inject(within, fields);
      return context.with(within, call, undefined, fields).finally(() => span.end());
    };
  },

  "protobuf-es and Connect alone": async () => {
    const { createClient } = await import("@connectrpc/connect");
    const { ManagementService } = await import("zitadel-user-grants/gen/zitadel/management_pb.js");
    createClient(ManagementService, {});
  },

  "@grpc/grpc-js": async (baseUrl) => {
    const { Client, Metadata, credentials } = await import("@grpc/grpc-js");
    const { create, fromBinary, toBinary } = await import("@bufbuild/protobuf");
    const { DeactivateUserGrantRequestSchema, DeactivateUserGrantResponseSchema } = await import(
      "zitadel-user-grants/gen/zitadel/management_pb.js"
    );
    const { host, protocol } = new URL(baseUrl);
    const client = new Client(
      host,
      protocol === "https:" ? credentials.createSsl() : credentials.createInsecure(),
    );
    const serialize = (message) => Buffer.from(toBinary(DeactivateUserGrantRequestSchema, message));
    const deserialize = (bytes) => fromBinary(DeactivateUserGrantResponseSchema, bytes);
    return () =>
      new Promise((resolve, reject) => {
        const metadata = new Metadata();
        metadata.set("authorization", `Bearer ${token}`);
        metadata.set("x-zitadel-orgid", orgId);
        client.makeUnaryRequest(
          path,
          serialize,
          deserialize,
          create(DeactivateUserGrantRequestSchema, request),
          metadata,
          { deadline: Date.now() + timeoutMs },
          (error, response) => (error === null ? resolve(response) : reject(error)),
        );
      });
  },

  "connect-node": async (baseUrl) => {
    const { createClient } = await import("@connectrpc/connect");
    const { createGrpcTransport } = await import("@connectrpc/connect-node");
    const { ManagementService } = await import("zitadel-user-grants/gen/zitadel/management_pb.js");
    const addMetadata = (next) => (call) => {
      call.header.set("authorization", `Bearer ${token}`);
      call.header.set("x-zitadel-orgid", orgId);
      return next(call);
    };
    const transport = createGrpcTransport({
      baseUrl,
      defaultTimeoutMs: timeoutMs,
      interceptors: [addMetadata],
    });
    const client = createClient(ManagementService, transport);
    return () => client.deactivateUserGrant(request);
  },

  "@zitadel/client": async (baseUrl) => {
    const { createManagementServiceClient } = await import("@zitadel/client/v1");
    const { createServerTransport } = await import("@zitadel/client/node");
    const client = createManagementServiceClient(
      createServerTransport(token, { baseUrl, defaultTimeoutMs: timeoutMs }),
    );
    return () => client.deactivateUserGrant(request, { headers });
  },

  "@zitadel/node": async (baseUrl) => {
    const { createAccessTokenInterceptor, createManagementClient } = await import(
      "@zitadel/node/dist/api/index.js"
    );
    const { Metadata } = await import("nice-grpc");
    const client = createManagementClient(baseUrl, createAccessTokenInterceptor(token));
    return () => client.deactivateUserGrant(request, { metadata: Metadata(headers) });
  },
};

async function withOpenTelemetry(baseUrl) {
  const { createManagementClient } = await import("zitadel-user-grants");
  const { openTelemetry } = await import("zitadel-user-grants/opentelemetry");
  const client = createManagementClient({ baseUrl, token, orgId, interceptors: [openTelemetry()] });
  return () => client.deactivateUserGrant(request);
}

async function registerOpenTelemetry() {
  const api = await import("@opentelemetry/api");
  const { BasicTracerProvider } = await import("@opentelemetry/sdk-trace-base");
  const { AsyncLocalStorageContextManager } = await import("@opentelemetry/context-async-hooks");
  const { W3CTraceContextPropagator } = await import("@opentelemetry/core");
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  api.propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  api.trace.setGlobalTracerProvider(new BasicTracerProvider());
  return api;
}

/** The request as one would make it by hand, without deadline, errors and connections. */
async function bareCalls(baseUrl) {
  const { connect } = await import("node:http2");
  const { create, fromBinary, toBinary } = await import("@bufbuild/protobuf");
  const { DeactivateUserGrantRequestSchema, DeactivateUserGrantResponseSchema } = await import(
    "zitadel-user-grants/gen/zitadel/management_pb.js"
  );
  const session = connect(baseUrl);
  session.setMaxListeners(0);
  return (fields) =>
    new Promise((resolve, reject) => {
      const message = toBinary(
        DeactivateUserGrantRequestSchema,
        create(DeactivateUserGrantRequestSchema, request),
      );
      const body = Buffer.allocUnsafe(5 + message.length);
      body[0] = 0;
      body.writeUInt32BE(message.length, 1);
      body.set(message, 5);
      const stream = session.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc+proto",
        te: "trailers",
        "user-agent": "bare",
        "grpc-timeout": `${timeoutMs}m`,
        authorization: `Bearer ${token}`,
        "x-zitadel-orgid": orgId,
        ...fields,
      });
      const chunks = [];
      let status;
      stream.on("response", (header) => {
        status = header["grpc-status"];
      });
      stream.on("trailers", (trailer) => {
        status = trailer["grpc-status"];
      });
      stream.on("data", (chunk) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("end", () => {
        if (status !== "0") {
          reject(new Error(`grpc-status ${status}`));
          return;
        }
        const received = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
        resolve(fromBinary(DeactivateUserGrantResponseSchema, received.subarray(5)));
      });
      stream.end(body);
    });
}
