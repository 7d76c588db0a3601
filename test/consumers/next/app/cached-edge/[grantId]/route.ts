export const runtime = "edge";
export const fetchCache = "default-cache";
export { DELETE } from "../../grants/[grantId]/route";
