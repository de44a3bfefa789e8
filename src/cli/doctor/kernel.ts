/** What the kernel must give: the TUN device, rights, forwarding, buffers, the processor. */
import { type Finding, fail, ok, skipped, warn } from "./finding.ts";
import type { Machine } from "./machine.ts";

/** Bits of linux/capability.h. */
const NET_BIND_SERVICE = 10n;
const NET_ADMIN = 12n;
const NET_RAW = 13n;
const NEEDED: readonly (readonly [bit: bigint, name: string])[] = [
  [NET_ADMIN, "CAP_NET_ADMIN"],
  [NET_RAW, "CAP_NET_RAW"],
  [NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"],
];
/** Octets: below this a burst of a fast line does not fit. */
const BUFFERS = 1 << 20;

export function kernelFindings(machine: Machine, tun: string): Finding[] {
  return [
    tunDevice(machine),
    capabilities(machine),
    forwarding(machine),
    ...reversePath(machine, tun),
    ...buffers(machine),
    processor(machine),
  ];
}

function tunDevice(machine: Machine): Finding {
  return machine.mode("/dev/net/tun") === undefined
    ? fail("tun", "/dev/net/tun is not there", "modprobe tun (in a container: --device /dev/net/tun)")
    : ok("tun", "/dev/net/tun is there");
}

function capabilities(machine: Machine): Finding {
  const text = /^CapEff:\s*([0-9a-f]+)$/m.exec(machine.read("/proc/self/status") ?? "")?.[1];
  if (text === undefined) return skipped("capabilities", "/proc/self/status says nothing of them");
  const held = BigInt(`0x${text}`);
  const missing = NEEDED.filter(([bit]) => ((held >> bit) & 1n) === 0n).map(([, name]) => name);
  return missing.length === 0
    ? ok("capabilities", "NET_ADMIN, NET_RAW and NET_BIND_SERVICE are held")
    : fail(
        "capabilities",
        `${missing.join(", ")} is missing`,
        "run it as root, or by the systemd unit, which gives them",
      );
}

function forwarding(machine: Machine): Finding {
  const value = machine.read("/proc/sys/net/ipv4/ip_forward")?.trim();
  if (value === undefined) return skipped("ip_forward", "/proc/sys is not there");
  return value === "1"
    ? ok("ip_forward", "packets are forwarded")
    : warn(
        "ip_forward",
        "net.ipv4.ip_forward is 0: hosts behind this gateway reach nobody",
        "sysctl -w net.ipv4.ip_forward=1",
      );
}

function reversePath(machine: Machine, tun: string): Finding[] {
  const strict = ["all", tun].filter(
    (name) => machine.read(`/proc/sys/net/ipv4/conf/${name}/rp_filter`)?.trim() === "1",
  );
  return strict.length === 0
    ? [ok("rp_filter", "no strict reverse path filter")]
    : strict.map((name) =>
        warn(
          "rp_filter",
          `net.ipv4.conf.${name}.rp_filter is 1 (strict): packets out of the tunnel whose way back is another one vanish`,
          `sysctl -w net.ipv4.conf.${name}.rp_filter=2`,
        ),
      );
}

function buffers(machine: Machine): Finding[] {
  return (["rmem_max", "wmem_max"] as const).map((name) => {
    const value = Number(machine.read(`/proc/sys/net/core/${name}`)?.trim());
    // Network namespaces other than the first do not show them.
    if (!(value > 0)) return skipped(name, `net.core.${name} cannot be seen here`);
    return value >= BUFFERS
      ? ok(name, `net.core.${name} is ${value}`)
      : warn(
          name,
          `net.core.${name} is ${value}: bursts are lost without CAP_NET_ADMIN`,
          `sysctl -w net.core.${name}=${4 * BUFFERS}`,
        );
  });
}

function processor(machine: Machine): Finding {
  const words = new Set(
    (/^(?:flags|Features)\s*:\s*(.*)$/m.exec(machine.read("/proc/cpuinfo") ?? "")?.[1] ?? "").split(" "),
  );
  if (words.size <= 1) return skipped("cpu", "/proc/cpuinfo names no features");
  const fast = ["aes", "pclmulqdq", "vaes", "avx2", "avx512f", "pmull", "sha_ni", "sha2"].filter((name) =>
    words.has(name),
  );
  return words.has("aes")
    ? ok("cpu", `the processor has ${fast.join(", ")}`)
    : warn(
        "cpu",
        "the processor has no AES instructions: aes is slow here",
        "proposals = chacha20poly1305-prfsha256-x25519",
      );
}
