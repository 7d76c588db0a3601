// Connect's types name this DOM type (connectrpc/connect-es#481), which Node's own types lack: what a
// project without DOM types adds, unless it skips the check of libraries.
type HeadersInit = NonNullable<ConstructorParameters<typeof Headers>[0]>;
