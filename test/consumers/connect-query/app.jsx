// A button that takes one grant away, with Connect-Query: the transport is ours, the hooks are theirs.
import { TransportProvider, useMutation } from "@connectrpc/connect-query";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { createTransport, describeError, ManagementService } from "zitadel-user-grants";

function Remove({ grantId }) {
  const { mutate, status, error } = useMutation(ManagementService.method.bulkRemoveUserGrant);
  return (
    <button type="button" onClick={() => mutate({ grantId: [grantId] })}>
      {error ? describeError(error).id : status}
    </button>
  );
}

/** Shows the button. */
globalThis.show = ({ grantId, ...options }) => {
  createRoot(document.body).render(
    <TransportProvider transport={createTransport(options)}>
      <QueryClientProvider client={new QueryClient()}>
        <Remove grantId={grantId} />
      </QueryClientProvider>
    </TransportProvider>,
  );
};
