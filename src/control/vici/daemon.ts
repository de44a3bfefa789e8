/** What the gateway says of itself: version, stats, get-algorithms, reload-settings, flush-certs. */
import { cipherName, integrityName, keyExchangeName, prfName } from "./algorithm-names.ts";
import type { Command } from "./command.ts";
import { list, type Message, section, value } from "./message.ts";
import { success } from "./outcome.ts";
import type { ViciWorld } from "./world.ts";

/** What strongSwan calls the program that is asked. */
const DAEMON = "esplanade";

export function daemonCommands(world: ViciWorld): Readonly<Record<string, Command>> {
  const { sysname, release, machine, version } = world.host;
  return {
    version: () => ({
      response: [
        value("daemon", DAEMON),
        value("version", version),
        value("sysname", sysname),
        value("release", release),
        value("machine", machine),
      ].flat(),
    }),
    stats: () => ({ response: stats(world) }),
    "get-algorithms": () => ({ response: algorithms(world) }),
    // There is no strongswan.conf here, and nothing of certificates is kept that a reload would not read again.
    "reload-settings": () => ({ response: success() }),
    "flush-certs": () => ({ response: success() }),
  };
}

function stats({ gateway, host, memory }: ViciWorld): Message {
  const status = gateway.status();
  const { heapTotal, heapUsed, external } = memory();
  const priorities = (critical: number, medium: number) =>
    [value("critical", critical), value("high", 0), value("medium", medium), value("low", 0)].flat();
  return [
    section("uptime", value("running", uptimeText(status.upMillis)), value("since", host.since)),
    // Lanes carry packets, one thread negotiates.
    section("workers", value("total", host.lanes + 1), value("idle", 0), section("active", priorities(host.lanes, 1))),
    section("queues", priorities(0, 0)),
    value("scheduled", 0),
    section("ikesas", value("total", status.ikeSas.length), value("half-open", status.halfOpen)),
    list("plugins", [DAEMON, "vici"]),
    section(
      "mallinfo",
      value("sbrk", heapTotal),
      value("mmap", external),
      value("used", heapUsed),
      value("free", Math.max(0, heapTotal - heapUsed)),
    ),
  ].flat();
}

const UNITS: readonly (readonly [millis: number, name: string])[] = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [1000, "second"],
];

/** In the largest unit that there are two of, as strongSwan says it: "119 seconds", "2 minutes". */
export function uptimeText(span: number): string {
  const [millis, name] = UNITS.find(([size]) => span >= 2 * size) ?? [1000, "second"];
  const count = Math.floor(span / millis);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

/** Each name once: keys of 128 and of 256 bits are one algorithm's. */
function algorithms({ inventory }: ViciWorld): Message {
  const { encryption, aead, integrity, prf, keyExchange } = inventory.algorithms;
  const named = (key: string, words: readonly string[], name: (word: string) => string | undefined) =>
    section(key, ...[...new Set(words.map((word) => name(word) ?? word))].map((one) => value(one, DAEMON)));
  return [
    named("encryption", encryption, (word) => cipherName(word)?.name),
    named("integrity", integrity, integrityName),
    named("aead", aead, (word) => cipherName(word)?.name),
    named("prf", prf, prfName),
    named("dh", keyExchange, keyExchangeName),
  ].flat();
}
