/** A connection of ours as the other side's swanctl.conf for strongSwan: everything the other way round. */
import { joinOctets, wipe } from "#crypto/octets";
import { type Exported, type ExportWishes, encode, onlyHost } from "./export-peer.ts";
import { pskText } from "./pair.ts";
import type { ConnectionView } from "./view.ts";

export function strongswanFile(connection: ConnectionView, { address, secret }: ExportWishes): Exported {
  const { name, version, localAddresses, remoteAddresses, local, remote } = connection;
  const remarks: string[] = [];
  const ours = address ?? onlyHost(localAddresses);
  if (ours === undefined)
    remarks.push("the configuration does not say our address: the other side waits for us; or give --address ADDRESS");
  const theirs = onlyHost(remoteAddresses);
  const psk = local.method === "psk" || remote.method === "psk";
  const children = connection.children.filter(({ mode }) => mode === "tunnel" || mode === "transport");
  const lines = [
    `# The other side of '${name}', for strongSwan: /etc/swanctl/conf.d/${name}.conf, then swanctl --load-all`,
    "connections {",
    `  ${name} {`,
    `    version = ${version}`,
    ...(theirs === undefined ? [] : [`    local_addrs = ${theirs}`]),
    `    remote_addrs = ${ours ?? "%any"}`,
    ...proposalLines("    proposals", connection.proposals, remarks),
    ...sideLines("local", remote, remarks),
    ...sideLines("remote", local, []),
    "    children {",
    ...children.flatMap((child) => [
      `      ${child.name} {`,
      `        mode = ${child.mode}`,
      `        local_ts = ${child.remote.join(", ")}`,
      `        remote_ts = ${child.local.join(", ")}`,
      ...proposalLines("        esp_proposals", child.proposals, remarks),
      `        start_action = ${ours === undefined ? "none" : "trap"}`,
      "      }",
    ]),
    "    }",
    "  }",
    "}",
    ...(psk ? ["secrets {", `  ike-${name} {`, ...ownerLines(local.identity ?? ours)] : []),
  ];
  if (!psk) return { files: [{ suffix: "", octets: encode(`${lines.join("\n")}\n`) }], remarks };
  if (secret === undefined) remarks.push("without the secret: --out FILE writes it too, for the file's owner alone");
  const before = encode(`${lines.join("\n")}\n    ${secret === undefined ? "# secret = …\n" : "secret = "}`);
  const within = secret === undefined ? new Uint8Array(0) : pskText(secret);
  const octets = joinOctets([before, within, encode("  }\n}\n")]);
  wipe(within);
  return { files: [{ suffix: "", octets }], remarks };
}

/** strongSwan of Debian 12 has no ML-KEM, and not every kernel or user-space IPsec of it has extended sequence numbers. */
function proposalLines(key: string, proposals: readonly string[], remarks: string[]): string[] {
  const plain = proposals.flatMap((proposal) => {
    const words = proposal.split("-");
    if (words.some((word) => /^ke\d_/.test(word))) return [];
    return [words.filter((word) => word !== "esn" || !words.includes("noesn")).join("-")];
  });
  if (plain.length < proposals.length)
    remarks.push(`${proposals.length - plain.length} of ${key.trim()} have several key exchanges and are left out`);
  return plain.length === 0 ? [] : [`${key} = ${plain.join(", ")}`];
}

function sideLines(side: "local" | "remote", of: ConnectionView["local"], remarks: string[]): string[] {
  const auth = of.method === "psk" ? "psk" : "pubkey";
  if (side === "local" && auth === "pubkey")
    remarks.push(
      "put the other side's certificate into its x509/, its key into private/, and name it: local.certs = FILE",
    );
  return [
    `    ${side} {`,
    `      auth = ${auth}`,
    ...(of.identity === undefined ? [] : [`      id = "${of.identity.replaceAll(/["\\]/g, "\\$&")}"`]),
    "    }",
  ];
}

/** Whose secret it is, seen from there: ours. */
function ownerLines(owner: string | undefined): string[] {
  return owner === undefined ? [] : [`    id = "${owner.replaceAll(/["\\]/g, "\\$&")}"`];
}
