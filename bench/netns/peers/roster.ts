/** Every row the benchmark knows, by name. */
import { homedir } from "node:os";
import { join } from "node:path";
import type { Candidate } from "#bench/netns/candidate";
import type { BenchOptions } from "#bench/netns/options";
import { OptionError } from "#bench/report/command-line";
import { type GatewayRow, gatewayCandidate } from "./esplanade.ts";
import { checkSuite } from "./gateway-config.ts";
import { link } from "./link.ts";
import { openvpn } from "./openvpn.ts";
import { strongswan } from "./strongswan.ts";
import { wireguardGo } from "./wireguard-go.ts";

/** Where `npm run bench:peers` unpacks programs that are not installed: every rebuild empties `build`. */
export function peersDirectory(): string {
  const { XDG_CACHE_HOME } = process.env;
  return join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "esplanade-bench-peers");
}

/** `link` and `esplanade`, then the rows asked for, in their order. */
export function candidates(options: BenchOptions, root: string, version: string): Candidate[] {
  const { suite, crypto, sas } = options;
  checkSuite(suite);
  const node = process.execPath;
  const cli = join(root, "dist/src/cli/esplanade.js");
  const ours: Omit<GatewayRow, "name" | "title" | "crypto"> = {
    command: [node, cli, "run"],
    program: cli,
    remedy: "npm run build",
    version,
    suite,
    sas,
  };
  const { WIREGUARD_GO_2023 } = process.env;
  const bound = join(root, "build/Release/esplanade-bound");
  const boundRow = (name: string, ciphers: typeof crypto): Candidate =>
    gatewayCandidate({
      ...ours,
      name,
      title: `all-C++ loop of the same native parts, ${suite}, crypto ${ciphers}`,
      crypto: ciphers,
      sas: 1,
      command: [bound],
      program: bound,
      remedy: "npm run bench:bound",
    });
  const unpacked = join(peersDirectory(), "wireguard-go-2023/usr/bin/wireguard-go");
  const rows: readonly Candidate[] = [
    link,
    gatewayCandidate({
      ...ours,
      name: "esplanade",
      title: `Esplanade, ${suite}, ESP in UDP, crypto ${crypto}`,
      crypto,
    }),
    gatewayCandidate({
      ...ours,
      name: "esplanade-openssl",
      title: `Esplanade, ${suite}, ESP in UDP, OpenSSL alone`,
      crypto: "openssl",
    }),
    boundRow("bound", crypto),
    // What OpenSSL alone leaves of the engine is measured beside the same loop on OpenSSL alone.
    boundRow("bound-openssl", "openssl"),
    openvpn,
    wireguardGo("wireguard-go", "wireguard-go of 2023, ChaCha20-Poly1305", WIREGUARD_GO_2023 ?? unpacked),
    wireguardGo("wireguard-go-2022", "wireguard-go of 2022, ChaCha20-Poly1305", "/usr/bin/wireguard-go"),
    strongswan(suite),
  ];
  return ["link", "esplanade", ...options.against].map((name) => {
    const row = rows.find((known) => known.name === name);
    if (row !== undefined) return row;
    throw new OptionError(`--against: no row is called ${name}; these are: ${rows.map((r) => r.name).join(", ")}`);
  });
}
