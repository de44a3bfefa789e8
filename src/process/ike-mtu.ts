/** The largest packets that fit whatever IKE may agree on: the TUN's MTU is set before any SA is there. */
import type { Family } from "#core/address";
import type { ChildConfig, Connection, IkeConfig } from "#core/connection";
import { ProtocolId, TransformType } from "#core/proposal";
import { integrityTransform } from "#crypto/transforms";
import { encryptionOf } from "#ike/suite";
import { type AhLayout, type EspLayout, innerMtu } from "#ipsec/pmtu";

/** Infinity where no child protects anything. `pathMtu`: octets that the way to a connection's peer carries. */
export function smallestChildMtu(ike: IkeConfig, pathMtu: (connection: Connection) => number): number {
  let smallest = Number.POSITIVE_INFINITY;
  for (const connection of ike.connections) {
    const families = familiesOf(connection);
    // The kernel is asked for it.
    const way = pathMtu(connection);
    for (const child of connection.children) smallest = Math.min(smallest, ...childMtus(child, families, way));
  }
  return smallest;
}

/** The largest inner packet for every suite that a child may agree on, in tunnels of these outer families. */
export function childMtus(
  child: Pick<ChildConfig, "mode" | "proposals" | "outerProposals">,
  families: readonly Family[],
  pathMtu: number,
): number[] {
  const { mode } = child;
  if (mode === "pass" || mode === "drop") return [];
  const outers = layersOf(child.outerProposals);
  return layersOf(child.proposals).flatMap((layer) =>
    families.flatMap((family) => {
      const inner = { mode, family, layer };
      if (outers.length === 0) return [innerMtu([inner], pathMtu)];
      return outers.map((outer) => innerMtu([inner, { mode: "transport", family, layer: outer }], pathMtu));
    }),
  );
}

/** Outer families: of a name or a range of peers it is not known yet. */
function familiesOf({ remoteAddresses }: Connection): Family[] {
  const families = remoteAddresses.map((host) =>
    host.kind === "address" ? host.address.family : host.kind === "range" ? host.first.family : undefined,
  );
  return families.length === 0 || families.includes(undefined)
    ? [4, 6]
    : [...new Set(families.filter((family) => family !== undefined))];
}

/** Every combination a proposal allows, with UDP encapsulation: there may be a NAT. */
function layersOf(proposals: ChildConfig["proposals"]): (EspLayout | AhLayout)[] {
  return proposals.flatMap(({ protocol, transforms }): (EspLayout | AhLayout)[] => {
    const integrities = transforms
      .filter(({ type, id }) => type === TransformType.INTEG && id !== 0)
      .map(({ id }) => integrityTransform(id))
      .filter((row) => row !== undefined);
    if (protocol === ProtocolId.AH)
      return integrities.map((row): AhLayout => ({ protocol: "ah", icvLength: row.ivOctets + row.icvOctets }));
    const longest = Math.max(0, ...integrities.map(({ icvOctets }) => icvOctets));
    return transforms
      .filter(({ type }) => type === TransformType.ENCR)
      .map(encryptionOf)
      .filter((row) => row !== undefined)
      .map((row): EspLayout => {
        const icvLength = row.aead ? row.icvOctets : longest;
        return {
          protocol: "esp",
          ivLength: row.ivOctets,
          icvLength,
          alignment: Math.max(4, row.blockOctets),
          udp: true,
        };
      });
  });
}
