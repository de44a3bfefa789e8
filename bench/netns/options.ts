/** The command line of `npm run bench:netns`. */
import { bounded, listOf, OptionError, oneOf, readValues, text } from "#bench/report/command-line";

export type TopologyKind = "gateways" | "hosts";

export interface BenchOptions {
  /** Rows besides `link` and `esplanade`, in the order given. */
  readonly against: readonly string[];
  readonly tests: readonly BenchTest[];
  readonly rounds: number;
  /** Length of each TCP or UDP run. */
  readonly seconds: number;
  /** Length of each step of an ndr search. */
  readonly stepSeconds: number;
  readonly mtu: number;
  readonly suite: string;
  readonly crypto: "auto" | "openssl";
  readonly sas: number;
  readonly topology: TopologyKind;
  readonly congestion: string;
  /** Longest wait for a quiet machine before a test, in seconds. */
  readonly patience: number;
  /** Runs of one test at most, until other processes leave it alone. */
  readonly attempts: number;
  readonly json: string | undefined;
  readonly svg: string | undefined;
}

export type BenchTest =
  | { readonly kind: "tcp"; readonly name: string; readonly streams: number }
  | { readonly kind: "ndr"; readonly name: string; readonly length: number }
  | { readonly kind: "udp"; readonly name: string; readonly length: number }
  | { readonly kind: "ping" | "pingload" | "rss" | "idle"; readonly name: string };

const OPTIONS = {
  against: text(""),
  tests: text("tcp,ndr64,udp1400,ping,pingload,rss,idle"),
  rounds: text("3"),
  seconds: text("10"),
  "step-seconds": text("1"),
  mtu: text("1500"),
  suite: text("aes128gcm16"),
  crypto: text("auto"),
  sas: text("1"),
  topology: text("gateways"),
  congestion: text("reno"),
  patience: text("20"),
  attempts: text("3"),
  json: { type: "string" },
  svg: { type: "string" },
} as const;

export const USAGE = `usage: npm run bench:netns -- [options]
  --against LIST     rows besides link and esplanade, of: esplanade-openssl, bound, bound-openssl, openvpn, wireguard-go,
                     wireguard-go-2022, strongswan
  --tests LIST       of: tcp, tcpN (N streams), ndrN and udpN (N octets of IP packet), ping, pingload, rss, idle
                     (tcp,ndr64,udp1400,ping,pingload,rss,idle)
  --rounds N         the candidates take turns this often (3)
  --seconds S        length of each TCP or UDP run (10)
  --step-seconds S   length of each step of an ndr search (1)
  --mtu N            of the link between the gateways (1500)
  --suite NAME       of esplanade, bound and strongswan (aes128gcm16)
  --crypto WHICH     auto or openssl, of the row esplanade (auto)
  --sas N            SAs installed in esplanade; the last one carries the traffic (1)
  --topology KIND    gateways: the load runs on the gateways; hosts: on hosts behind them (gateways)
  --congestion NAME  of every TCP connection (reno)
  --patience S       longest wait for a quiet machine before a test (20)
  --attempts N       runs of a test until other processes leave it alone (3)
  --json FILE        machine, all rounds, medians and ratios
  --svg FILE         bar charts`;

const NAMED_TESTS = ["ping", "pingload", "rss", "idle"] as const;
/** Room for the generator's stamp behind IPv4's and UDP's headers. */
const SHORTEST_PACKET = 52;
const LONGEST_PACKET = 9000;

export function parseTest(name: string): BenchTest {
  const named = NAMED_TESTS.find((known) => known === name);
  if (named !== undefined) return { kind: named, name };
  const match = /^(tcp|ndr|udp)(\d{0,4})$/.exec(name);
  const kind = match?.[1];
  const count = match?.[2] === "" ? undefined : Number(match?.[2]);
  if (kind === "tcp" && (count === undefined || (count >= 1 && count <= 64)))
    return { kind, name, streams: count ?? 1 };
  if ((kind === "ndr" || kind === "udp") && count !== undefined && count >= SHORTEST_PACKET && count <= LONGEST_PACKET)
    return { kind, name, length: count };
  throw new OptionError(
    `--tests: no test is called ${name}; tcp, tcpN, ndrN, udpN, ping, pingload, rss and idle are, ` +
      `with packets of ${SHORTEST_PACKET}–${LONGEST_PACKET} octets`,
  );
}

export function parseOptions(args: readonly string[]): BenchOptions {
  const values = readValues(args, OPTIONS);
  return {
    against: listOf(values.against).filter((name) => name !== "link" && name !== "esplanade"),
    tests: listOf(values.tests).map(parseTest),
    rounds: bounded("rounds", values.rounds, 1, 1000),
    seconds: bounded("seconds", values.seconds, 1, 300),
    stepSeconds: bounded("step-seconds", values["step-seconds"], 0.1, 10),
    mtu: bounded("mtu", values.mtu, 1280, 9000),
    suite: values.suite,
    crypto: oneOf("crypto", values.crypto, ["auto", "openssl"]),
    sas: bounded("sas", values.sas, 1, 60_000),
    topology: oneOf("topology", values.topology, ["gateways", "hosts"]),
    congestion: values.congestion,
    patience: bounded("patience", values.patience, 0, 600),
    attempts: bounded("attempts", values.attempts, 1, 20),
    json: values.json,
    svg: values.svg,
  };
}
