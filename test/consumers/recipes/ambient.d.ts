interface ImportMeta {
  env: Record<string, string>;
}
declare module "cloudflare:workers" {
  export const env: unknown;
}
