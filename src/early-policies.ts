/**
 * What the children of a configuration protect, as far as the file alone says it: blocked before anything else is up. The
 * policies themselves are made by the control of IKE, which knows addresses and order.
 */
import type { ChildConfig, IkeConfig, SelectorConfig } from "#core/connection";
import type { Policy } from "#core/policy";
import type { TrafficSelector } from "#core/selector";

export function earlyPolicies(ike: IkeConfig): Policy[] {
  return ike.connections.flatMap((connection) =>
    connection.children.filter(isProtected).flatMap((child): Policy[] => {
      const local = fixed(child.local);
      const remote = fixed(child.remote);
      if (local.length === 0 || remote.length === 0) return [];
      return [{ name: `${connection.name}/${child.name}`, action: "protect", local, remote, source: undefined }];
    }),
  );
}

/** A child that only answers protects its traffic from the start too: in clear it never goes. */
function isProtected({ mode }: ChildConfig): boolean {
  return mode === "tunnel" || mode === "transport";
}

function fixed(selectors: readonly SelectorConfig[]): TrafficSelector[] {
  return selectors.flatMap((config) => (config.kind === "fixed" ? [config.selector] : []));
}
