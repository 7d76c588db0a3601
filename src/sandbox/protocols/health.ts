import type { Route } from "../http/http.js";

/** `/debug/healthz` and `/debug/ready`, which need neither token nor instance. */
export const healthRoute: Route = (request) => {
  switch (request.path) {
    case "/debug/healthz":
      return {
        status: 200,
        headers: { "content-type": "text/plain; charset=utf-8" },
        body: "ok",
      };
    case "/debug/ready":
      return { status: 200, headers: { "content-type": "application/json" }, body: '"ok"' };
    default:
      return undefined;
  }
};
