/** `esplanade bench`: what this machine's ciphers do, and what two gateways carry beside the same way without them. */
import { availableParallelism, cpus } from "node:os";
import { capacityOf, loadOf } from "#control/capacity";
import { SystemError } from "#core/errors";
import { packageVersion } from "#io/package-file";
import { openTunDevice } from "#io/tun-device";
import { Lab } from "#lab/lab";
import { type CipherSpeed, cipherSpeed, PROVIDERS } from "./bench/cipher-speed.ts";
import { type BenchOptions, readOptions } from "./bench/options.ts";
import { type Ends, loadedRoundTrips, type PathFigures, smallPackets, startEnds, tcpGbps } from "./bench/path-speed.ts";
import { asJson, type BenchReport, cipherTable, meaning, pathTable } from "./bench/report.ts";
import { thisMachine } from "./capacity.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";
import { Display } from "./demo/display.ts";
import { count, gigabits, millis, rounded } from "./demo/figures.ts";
import { firstAnswer } from "./demo/negotiation.ts";
import { mayMakeNamespaces, runInUserNamespace } from "./demo/privileges.ts";
import { guarded, interrupted } from "./in-lab.ts";

export const bench: Command = {
  name: "bench",
  summary: "measure what this machine's ciphers and two gateways on it carry, in half a minute",
  parameters: [],
  options: {
    suite: { type: "string", value: "NAME", help: "ESP suite of the tunnel (aes128gcm16)" },
    seconds: { type: "string", value: "N", help: "length of each test with traffic (3)" },
    quick: { type: "boolean", help: "a few seconds in all, figures to match" },
    json: JSON_OPTION,
  },
  examples: [
    "esplanade bench",
    "esplanade bench --quick --suite chacha20poly1305",
    "esplanade bench --seconds 5 --json > bench.json",
  ],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const options = readOptions(args);
  return guarded(io, options.json, async () => {
    if (mayMakeNamespaces()) return measured(options, io, undefined);
    try {
      return await runInUserNamespace();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return measured(options, io, error);
    }
  });
}

type Paths = Pick<BenchReport, "bare" | "tunnel">;

/** `hindrance`: why there can be no namespaces; the ciphers need none. */
async function measured(options: BenchOptions, io: CliIo, hindrance: SystemError | undefined): Promise<number> {
  // Who wants JSON gets nothing else on standard output.
  const display = new Display(options.json ? { ...io, out: io.err } : io);
  const machine = {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    processors: availableParallelism(),
    node: process.versions.node,
  };
  display.text(`${machine.processors} processors, ${machine.processor}, Node ${machine.node}\n`);
  const ciphers = await measureCiphers(options, display);
  const paths = hindrance === undefined ? await inLab(options, display) : {};
  const { pairs, bounds } = capacityOf(loadOf(undefined), thisMachine());
  const report: BenchReport = {
    ok: hindrance === undefined,
    version: packageVersion(),
    machine,
    capacity: { pairs, binds: bounds[0]?.name ?? "nothing" },
    suite: options.plan.suite,
    ciphers,
    ...paths,
    ...(hindrance === undefined ? {} : { error: hindrance.message }),
    seconds: rounded(display.seconds, 1),
  };
  const { bare, tunnel } = report;
  display.text(`\n${paint(io, "bold", "Ciphers alone")}: 1,408 octets a packet\n${cipherTable(ciphers)}`);
  if (bare !== undefined && tunnel !== undefined)
    display.text(
      `\n${paint(io, "bold", "From host to host")}: ${options.plan.suite}, ESP in UDP, MTU ${options.plan.pathMtu}\n${pathTable(bare, tunnel)}`,
    );
  display.text(`\n${meaning(report)}\n\ndone in ${display.seconds.toFixed(0)} s`);
  if (hindrance !== undefined)
    io.err(`${paint(io, "red", "esplanade")}: no tunnel was measured: ${hindrance.message}\n`);
  if (options.json) io.out(`${JSON.stringify(asJson(report))}\n`);
  return report.ok ? 0 : 1;
}

function measureCiphers({ suites, cipherMillis }: BenchOptions, display: Display): Promise<readonly CipherSpeed[]> {
  return display.step(
    "ciphers",
    `${suites.length} suites`,
    () => {
      // What comes first would pay for compiling what all of a provider's suites use.
      for (const provider of PROVIDERS) cipherSpeed(suites[0] ?? "", provider, cipherMillis);
      return suites.flatMap((suite) =>
        PROVIDERS.flatMap((provider) => cipherSpeed(suite, provider, cipherMillis) ?? []),
      );
    },
    (found) => `${suites.length} suites by ${PROVIDERS.length} providers, ${found.length} there are`,
  );
}

async function inLab(options: BenchOptions, display: Display): Promise<Paths> {
  const interruption = interrupted();
  const lab = new Lab(options.plan.pathMtu);
  try {
    lab.network.gatewayA.run(() => openTunDevice({ name: "probe" }).close());
    const work = measurePaths(lab, options, display);
    // After an interruption nobody waits for it any more.
    work.catch(() => undefined);
    return await Promise.race([work, interruption]);
  } finally {
    display.still();
    await lab[Symbol.asyncDispose]();
  }
}

/** The same ends and links twice: first forwarded in clear, then through both gateways. */
async function measurePaths(lab: Lab, options: BenchOptions, display: Display): Promise<Paths> {
  const ends = await display.step(
    "network",
    "namespaces, links, traffic agents",
    () => startEnds(lab),
    () => `4 namespaces, 3 links of MTU ${options.plan.pathMtu}`,
  );
  let flows = 0;
  const nextFlow = () => ++flows;
  const bare = await measurePath("without IPsec", ends, options, display, nextFlow);
  await display.step(
    "gateways",
    "starting both",
    async () => {
      await lab.startGateways(options.plan);
      return firstAnswer(ends.a, ends.b);
    },
    (answered) => `both ready, ${options.plan.suite}; the first answer after ${millis(answered)}`,
  );
  const tunnel = await measurePath("tunnel", ends, options, display, nextFlow);
  return { bare, tunnel };
}

async function measurePath(
  label: string,
  ends: Ends,
  { seconds, stepSeconds }: BenchOptions,
  display: Display,
  nextFlow: () => number,
): Promise<PathFigures> {
  const tcp = await display.step(
    label,
    "a TCP stream",
    () => tcpGbps(ends, seconds),
    (found) => `TCP ${gigabits(found)}`,
  );
  const packets = await display.step(
    label,
    "packets of 64 octets",
    () => smallPackets(ends, stepSeconds, nextFlow),
    ({ packetsPerSecond }) => `${count(packetsPerSecond)} packets of 64 octets a second`,
  );
  const roundTripMs = await display.step(
    label,
    "round trips beside TCP",
    () => loadedRoundTrips(ends, seconds),
    ({ p50, p99 }) => `round trips beside TCP: median ${millis(p50)}, p99 ${millis(p99)}`,
  );
  return { tcpGbps: tcp, ...packets, roundTripMs };
}
