/** @deprecated */
export function old(): void {}
old();
