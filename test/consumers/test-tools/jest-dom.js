import HappyDom from "@happy-dom/jest-environment";

/** happy-dom under Jest, with fetch and what belongs to it from Node: happy-dom's own loses bodies there. */
export default class Environment extends HappyDom {
  async setup() {
    await super.setup();
    const { fetch, Headers, Request, Response, AbortController, AbortSignal } = globalThis;
    Object.assign(this.global, { fetch, Headers, Request, Response, AbortController, AbortSignal });
    Object.assign(this.global, { URLSearchParams, Uint8Array, ArrayBuffer, structuredClone });
  }
}
