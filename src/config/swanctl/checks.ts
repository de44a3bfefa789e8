/** What can only be seen when all of a configuration is read: secrets for peers, and who can start. */
import { isPrivate } from "#config/keys";
import type { SharedSecret } from "#core/connection";
import { type Identity, IdType } from "#core/identity";
import { identityMatch, identityToString } from "#crypto/identity";
import type { PlacedConnection } from "./connection.ts";
import type { Findings } from "./findings.ts";
import { fixedAddress } from "./hosts.ts";
import type { Section } from "./inherit.ts";

export function checkConnection(
  connection: PlacedConnection,
  secrets: readonly SharedSecret[],
  findings: Findings,
): void {
  checkSecret(connection, secrets, findings);
  checkChildren(connection);
}

/** Who a peer without `id` most likely says it is. */
function identitiesOf({ config }: PlacedConnection): {
  readonly local: Identity | undefined;
  readonly remote: Identity | undefined;
} {
  const byAddress = (addresses: PlacedConnection["config"]["remoteAddresses"]): Identity | undefined => {
    const address = fixedAddress(addresses);
    if (address === undefined) return undefined;
    return { type: address.family === 4 ? IdType.ID_IPV4_ADDR : IdType.ID_IPV6_ADDR, data: address.octets };
  };
  return {
    local: config.local.identity ?? byAddress(config.localAddresses),
    remote: config.remote.identity ?? byAddress(config.remoteAddresses),
  };
}

function checkSecret(connection: PlacedConnection, secrets: readonly SharedSecret[], findings: Findings): void {
  const { config, remotePlace, localPlace } = connection;
  const usesSecret = config.local.method === "psk" || config.remote.method === "psk";
  if (!usesSecret) return;
  const { local, remote } = identitiesOf(connection);
  const serves = (owners: readonly Identity[]) =>
    owners.length === 0 ||
    remote === undefined ||
    owners.some((owner) => fitsEither(owner, remote) || (local !== undefined && fitsEither(owner, local)));
  if (secrets.some(({ owners }) => serves(owners))) return;
  const who = remote === undefined ? "any" : identityToString(remote);
  const id = remote === undefined ? "" : `id = ${who} and `;
  findings.missing(
    config.remote.method === "psk" ? remotePlace : localPlace,
    `no secret for '${config.name}' (id ${who})`,
    `add secrets.ike-${config.name} { ${id}secret = … }`,
  );
}

function fitsEither(a: Identity, b: Identity): boolean {
  return identityMatch(a, b) > 0 || identityMatch(b, a) > 0;
}

function checkChildren({ config, children, reader }: PlacedConnection): void {
  const canStart = config.remoteAddresses.some(({ kind }) => kind === "address" || kind === "name");
  for (const { config: child, reader: childReader } of children) {
    const action = child.startAction;
    if (action !== "none" && !canStart && (child.mode === "tunnel" || child.mode === "transport"))
      childReader.warn(
        "start_action",
        `'${action}' has no effect: ${reader.title} has no address to go to`,
        "add remote_addrs = ADDRESS, or say start_action = none",
      );
  }
  if (children.length === 0 && config.childless === "never")
    reader.findings.error(reader.place, `${reader.title} has no child and must have one`, "add children { net { … } }");
}

/** The file itself, where secrets stand in it: those in files and credentials of their own are not its matter. */
export function checkMode(
  main: { readonly name: string; readonly mode: number },
  secrets: Section | undefined,
  findings: Findings,
): void {
  if (secrets === undefined || isPrivate(main.mode)) return;
  if (![...secrets.sections.values()].some(({ settings }) => settings.has("secret"))) return;
  const mode = (main.mode & 0o777).toString(8);
  findings.warn(
    secrets.place,
    `others may read this file (mode ${mode}), and it holds secrets`,
    `chmod 600 ${main.name}`,
  );
}
