/** `esplanade demo`: two real gateways that negotiate, a host behind each, real traffic, and a verdict. */
import { openTunDevice } from "#io/tun-device";
import { Lab } from "#lab/lab";
import type { Arguments, CliIo, Command } from "./command.ts";
import { Display } from "./demo/display.ts";
import { drawing } from "./demo/drawing.ts";
import { rounded } from "./demo/figures.ts";
import { type DemoOptions, readOptions } from "./demo/options.ts";
import { insideUserNamespace, mayMakeNamespaces, runInUserNamespace } from "./demo/privileges.ts";
import { type DemoReport, verdictOf, verdictText } from "./demo/report.ts";
import { type Outcome, runDemo } from "./demo/steps.ts";
import { guarded, interrupted } from "./in-lab.ts";

export const demo: Command = {
  name: "demo",
  summary: "join two gateways in namespaces by IKEv2, send real traffic, say what was seen",
  parameters: [],
  options: {
    suite: { type: "string", value: "NAME", help: "ESP suite (aes128gcm16)" },
    seconds: { type: "string", value: "N", help: "length of each throughput test (2)" },
    mtu: { type: "string", value: "N", help: "MTU of every link (1500)" },
    ipv6: { type: "boolean", help: "IPv6 between the gateways" },
    raw: { type: "boolean", help: "ESP without UDP around it" },
    keep: { type: "boolean", help: "leave it running until Ctrl-C" },
    json: { type: "boolean", help: "one JSON object as the last line" },
  },
  examples: [
    "esplanade demo",
    "esplanade demo --suite chacha20poly1305 --seconds 5",
    "esplanade demo --ipv6 --raw --json",
  ],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const options = readOptions(args);
  return guarded(io, options.json, () => (mayMakeNamespaces() ? inLab(options, io) : runInUserNamespace()));
}

async function inLab(options: DemoOptions, io: CliIo): Promise<number> {
  const interruption = interrupted();
  const display = new Display(io);
  display.text("Two gateways join two networks by IKEv2 and ESP, over real TUN devices.\n");
  display.text(drawing(options.plan));
  const lab = new Lab(options.plan.pathMtu);
  try {
    lab.network.gatewayA.run(() => openTunDevice({ name: "probe" }).close());
    const work = runDemo({ lab, options, display });
    // After an interruption nobody waits for it any more.
    work.catch(() => undefined);
    const outcome = await Promise.race([work, interruption]);
    const report = judge(outcome, display, io);
    if (options.keep) await keepRunning(outcome, display, interruption);
    if (options.json) io.out(`${JSON.stringify(report)}\n`);
    return report.ok ? 0 : 1;
  } finally {
    display.still();
    await lab[Symbol.asyncDispose]();
  }
}

function judge({ findings }: Outcome, display: Display, io: CliIo): DemoReport {
  const lines = verdictOf(findings);
  display.text(verdictText(lines, display.seconds, io));
  return { ok: lines.every((line) => line.ok), ...findings, seconds: rounded(display.seconds, 1) };
}

async function keepRunning(
  { hosts, gateways }: Outcome,
  display: Display,
  interruption: Promise<never>,
): Promise<void> {
  const how = insideUserNamespace ? "nsenter -U --preserve-credentials -n" : "nsenter -n";
  const boxes = [
    ["host A", hosts.a.process.pid],
    ["gateway A", gateways.a.process.pid],
    ["gateway B", gateways.b.process.pid],
    ["host B", hosts.b.process.pid],
  ] as const;
  display.text("\nBoth gateways go on until Ctrl-C. From another terminal:");
  for (const [name, pid] of boxes) display.text(`  ${name.padEnd(10)}${how} -t ${pid}`);
  for (const [name, { socket }] of [
    ["A", gateways.a],
    ["B", gateways.b],
  ] as const)
    display.text(`  status ${name}  esplanade status --socket ${socket}`);
  await interruption.catch(() => undefined);
}
