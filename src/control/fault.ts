/** Why there is no answer though nothing was wrong with the question; reason and remedy in one line. */
export function faultText(error: unknown): string {
  const fault = error instanceof Error ? error.message : String(error);
  return `a fault of this program, not of the request: ${fault}; report it with what was asked`;
}
