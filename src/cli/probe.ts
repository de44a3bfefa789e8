/** `esplanade probe PEER`: which transforms a peer takes, as a line to paste. */
import { addressToString, type IpAddress, parseAddress } from "#core/address";
import { SystemError } from "#core/errors";
import { refusal } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION, UsageError } from "./command.ts";
import { THIS_MACHINE } from "./doctor/machine.ts";
import { type Found, PROBES, searchVersion1, searchVersion2 } from "./probe/search.ts";
import { Talk } from "./probe/talk.ts";

/** Of them IKEv2 leaves so many for IKEv1. */
const FOR_VERSION_1 = 6;

export const probe: Command = {
  name: "probe",
  summary: `ask a peer which transforms it takes, by at most ${PROBES} first messages`,
  parameters: ["PEER"],
  options: {
    port: { type: "string", value: "PORT", help: "the peer's port (500)" },
    "ike-version": { type: "string", value: "1|2", help: "only this version of IKE" },
    json: JSON_OPTION,
  },
  examples: ["esplanade probe 203.0.113.2", "esplanade probe vpn.example.com --ike-version 2 --json"],
  run,
};

/** 0: it takes something; 1: it does not, or nothing answers. */
async function run(args: Arguments, io: CliIo): Promise<number> {
  const name = args.parameter("PEER");
  const port = args.number("port", 1, 65_535, 500);
  const version = args.text("ike-version");
  if (version !== undefined && version !== "1" && version !== "2")
    throw new UsageError(`there is no IKE version '${version}'`, "give 1 or 2");
  const address = await addressOfPeer(name);
  if (address === undefined) return refusal(io, `the name ${name} has no address; give the address`);
  using talk = new Talk({ address, port });
  const found: Found[] = [];
  if (version !== "1")
    found.push(await searchVersion2(talk.ask, talk, version === "2" ? PROBES : PROBES - FOR_VERSION_1));
  const spent = found.reduce((sum, { probes }) => sum + probes, 0);
  // A host that is not there is not there for the other version either.
  const gone = found.some(({ reached }) => reached === "refused" || reached === "unreachable");
  if (version !== "2" && !gone) found.push(await searchVersion1(talk.ask, PROBES - spent));
  const where = `${addressToString(address)} port ${port}`;
  io.out(
    args.has("json")
      ? `${JSON.stringify({ peer: where, found })}\n`
      : found.map((one) => text(one, where, io)).join(""),
  );
  return found.some(
    ({ suites, transforms }) => suites.length > 0 || Object.values(transforms).some((list) => list.length > 0),
  )
    ? 0
    : 1;
}

/** By name or address; undefined: the name has none. */
export async function addressOfPeer(name: string): Promise<IpAddress | undefined> {
  const given = parseAddress(name);
  if (given !== undefined) return given;
  try {
    const [first] = await THIS_MACHINE.resolve(name);
    return first === undefined ? undefined : parseAddress(first);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

const REACHED = {
  silent: "no answer and no ICMP error: is UDP filtered, or does it answer known peers alone?",
  refused: "refused (ICMP port unreachable): no IKE daemon listens there",
  unreachable: "unreachable (ICMP): no way leads there",
} as const;

function text(found: Found, where: string, io: CliIo): string {
  const { version, reached, probes, suites, transforms, refusal: why, nat, vendors, bounded } = found;
  const lines = [`${paint(io, "bold", `IKEv${version}`)} at ${where}, ${probes} ${probes === 1 ? "probe" : "probes"}`];
  if (reached !== "answered") lines.push(`  ${REACHED[reached]}`);
  if (why !== undefined) lines.push(`  it takes none of what was offered: ${why}`);
  for (const [kind, names] of Object.entries(transforms))
    if (names.length > 0) lines.push(`  ${kind}: ${names.join(", ")}`);
  if (suites.length > 0) lines.push("  to paste:", `    proposals = ${suites.join(", ")}`);
  if (nat !== undefined)
    lines.push(
      nat.supported
        ? `  NAT: ${nat.local ? "we are behind one" : "none before us"}, ${nat.remote ? "the peer is behind one" : "none before the peer"}`
        : "  NAT: the peer does not look for it",
    );
  if (vendors.length > 0) lines.push(`  vendor ids: ${vendors.join(", ")}`);
  if (bounded) lines.push("  the bound on probes ended the search: there may be more");
  return `${lines.join("\n")}\n`;
}
