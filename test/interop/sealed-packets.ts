/** Packets that our engine sealed, with what is in them and the SA that a judge needs to open them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChildSaSpec, Mode } from "#core/child-sa-spec";
import { assert } from "#core/errors";
import { address } from "#test/sim/gateway-pair";
import { onTheWire } from "#test/sim/pcap";
import { ahSuiteOf, childSpec, joined, protocolSpec, suiteOf } from "#test/sim/specs";
import { rightward, rightward6 } from "#test/sim/traffic";

export interface Road {
  readonly suite: string;
  readonly protocol: "esp" | "ah";
  readonly mode: Mode;
  readonly udp: boolean;
  readonly ipv6: boolean;
  readonly esn: boolean;
}

export interface Sealed {
  readonly road: Road;
  readonly spec: ChildSaSpec;
  readonly inner: readonly Uint8Array[];
  readonly wire: readonly Uint8Array[];
}

export function roadName({ suite, protocol, mode, udp, ipv6, esn }: Road): string {
  return `${protocol} ${suite} ${mode}${udp ? " in UDP" : ""} over IPv${ipv6 ? 6 : 4}${esn ? " with ESN" : ""}`;
}

/** Six packets of different lengths, IPv4 and IPv6 inside where the mode allows it. */
export function seal(road: Road): Sealed {
  const hosts = road.ipv6 ? ["fd01::1", "fd02::9"] : ["10.1.0.5", "10.2.0.9"];
  const gateways = road.ipv6 ? ["2001:db8::1", "2001:db8::2"] : ["192.0.2.1", "192.0.2.2"];
  const [local = "", remote = ""] = road.mode === "transport" ? hosts : gateways;
  const suite = road.protocol === "ah" ? ahSuiteOf(road.suite) : suiteOf(road.suite);
  const spec = childSpec({
    ...protocolSpec(road.protocol, road.mode, suite, 4711),
    encapsulation: road.udp ? "udp" : "none",
    local: { address: address(local), port: 4500 },
    remote: { address: address(remote), port: 4500 },
    esn: road.esn,
  });
  const { left } = joined(spec);
  const makes = road.mode === "transport" ? [road.ipv6 ? rightward6 : rightward] : [rightward, rightward6];
  const inner = [0, 1, 2, 50, 333, 1200].map((length, i) =>
    (makes[i % makes.length] ?? rightward)(0, { payload: Uint8Array.from({ length }, (_, k) => k + i), id: i + 1 }),
  );
  for (const packet of inner) left.port.offerTun(packet);
  left.drive();
  assert(left.port.sent.length === inner.length, "every packet is sealed");
  return { road, spec, inner, wire: left.port.sent.map(onTheWire) };
}

/** A directory that is gone afterwards. */
export function inTemporaryDirectory<T>(work: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "esplanade-"));
  try {
    return work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
