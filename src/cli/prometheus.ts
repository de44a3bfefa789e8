/** `esplanade prometheus rules|scrape-config`: what a Prometheus needs to watch this gateway. */
import type { Arguments, CliIo, Command } from "./command.ts";
import { UsageError } from "./command.ts";
import { monitoringFile, promSpan } from "./monitoring.ts";

const FILES = { rules: "rules.yml", "scrape-config": "scrape-config.yml" };

export const prometheus: Command = {
  name: "prometheus",
  summary: "print alert rules or the scrape configuration for Prometheus",
  parameters: ["rules|scrape-config"],
  options: {
    for: {
      type: "string",
      value: "SPAN",
      help: "rules: how long a fault lasts before its alert fires (each rule's own)",
    },
    window: { type: "string", value: "SPAN", help: "rules: what rates are measured over (each rule's own)" },
    target: { type: "string", value: "HOST:PORT", help: "scrape-config: where the gateway is (127.0.0.1:9850)" },
  },
  examples: [
    "esplanade prometheus rules > /etc/prometheus/esplanade.rules.yml",
    "esplanade prometheus rules --for 10m",
    "esplanade prometheus scrape-config --target 192.0.2.1:9850",
  ],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  let text = monitoringFile(args.parameter("rules|scrape-config"), FILES);
  const wait = promSpan("for", args.text("for"));
  const window = promSpan("window", args.text("window"));
  const target = args.text("target");
  if (wait !== undefined) text = text.replace(/^(\s+for: )\S+$/gm, `$1${wait}`);
  if (window !== undefined) text = text.replace(/\[\d+[smhd]\]/g, `[${window}]`);
  if (target !== undefined) {
    if (!/^([a-z0-9.-]+|\[[0-9a-f:.]+\]):\d{1,5}$/i.test(target))
      throw new UsageError(
        `--target ${target} is no host with its port`,
        "write 192.0.2.1:9850 or gw.example.org:9850",
      );
    text = text.replace("127.0.0.1:9850", target.startsWith("[") ? `"${target}"` : target);
  }
  io.out(text);
  return 0;
}
