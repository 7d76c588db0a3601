/** What an authorization server saw of one request. */
export interface SeenRequest {
  readonly url: string;
  readonly form: URLSearchParams;
  readonly headers: Headers;
  readonly signal: AbortSignal;
}

export interface FakeIssuer {
  readonly issuer: string;
  readonly fetch: typeof globalThis.fetch;
  /** Responses of the token endpoint; the default issues `token-1`, `token-2`, … for 12 hours. */
  respond: (request: SeenRequest) => Response | Promise<Response>;
  /** Changes to the discovery document. */
  metadata: Record<string, unknown>;
  readonly discoveries: SeenRequest[];
  readonly tokenRequests: SeenRequest[];
  /** Issues the next token. */
  issue(changes?: Record<string, unknown>): Response;
}

/** An authorization server behind an injected `fetch`. */
export function createFakeIssuer(issuer = "https://issuer.example"): FakeIssuer {
  let issued = 0;
  const self: FakeIssuer = {
    issuer,
    discoveries: [],
    tokenRequests: [],
    metadata: {},
    respond: () => self.issue(),
    issue: (changes) =>
      Response.json({
        access_token: `token-${++issued}`,
        token_type: "Bearer",
        expires_in: 43199,
        ...changes,
      }),
    fetch: async (input, init) => {
      const url = String(input);
      const request: SeenRequest = {
        url,
        form: new URLSearchParams(init?.body as URLSearchParams | undefined),
        headers: new Headers(init?.headers),
        signal: init?.signal as AbortSignal,
      };
      if (url.endsWith("/.well-known/openid-configuration")) {
        self.discoveries.push(request);
        return Response.json({
          issuer,
          token_endpoint: `${issuer}/oauth/v2/token`,
          ...self.metadata,
        });
      }
      self.tokenRequests.push(request);
      return self.respond(request);
    },
  };
  return self;
}

export function oauthError(status: number, error: string, description?: string): Response {
  return Response.json({ error, error_description: description }, { status });
}
