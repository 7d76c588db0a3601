// As Next 13 and 14 did by default: whatever a route fetches is kept.
export const fetchCache = "default-cache";
export { DELETE } from "../../grants/[grantId]/route";
