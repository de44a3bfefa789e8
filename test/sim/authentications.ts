/** What a node counted of the peers that proved themselves, without the zeros. */
import { AUTHENTICATION_COUNTERS } from "#ike/authentications";
import type { Counter } from "#ike/counters";

export function authentications(node: { counter(name: Counter): number }): Readonly<Record<string, number>> {
  return Object.fromEntries(
    AUTHENTICATION_COUNTERS.map((name) => [name, node.counter(name)] as const).filter(([, count]) => count > 0),
  );
}
