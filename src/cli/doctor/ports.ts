/** Who has UDP 500 and 4500: another IKE daemon, or our own gateway. */
import { type Finding, fail, ok } from "./finding.ts";
import type { Machine } from "./machine.ts";

interface Owner {
  readonly pid: number | undefined;
  readonly name: string;
}

/** `own`: the running gateway's process. */
export function portFindings(machine: Machine, own: number | undefined, ports: readonly number[]): Finding[] {
  return ports.map((port) => {
    const check = `udp-${port}`;
    const owners = ownersOf(machine, port);
    if (owners.length === 0) return ok(check, `UDP ${port} is free`);
    const others = owners.filter(({ pid }) => pid === undefined || pid !== own);
    if (others.length === 0) return ok(check, `UDP ${port} is our gateway's`);
    const [first] = others;
    const names = others.map(({ name, pid }) => (pid === undefined ? name : `${name} (pid ${pid})`)).join(", ");
    return fail(check, `UDP ${port} belongs to ${names}`, remedyFor(first, port));
  });
}

const SERVICES: Readonly<Record<string, string>> = {
  charon: "systemctl disable --now strongswan-starter",
  "charon-systemd": "systemctl disable --now strongswan",
  pluto: "systemctl disable --now ipsec",
  iked: "systemctl disable --now iked",
};

function remedyFor(owner: Owner | undefined, port: number): string {
  const service = owner === undefined ? undefined : SERVICES[owner.name];
  if (service !== undefined) return service;
  return owner?.pid === undefined ? `ss -lunp 'sport = :${port}'` : `kill ${owner.pid}, or stop its service`;
}

function ownersOf(machine: Machine, port: number): Owner[] {
  const inodes = new Set(["udp", "udp6"].flatMap((table) => inodesOf(machine.read(`/proc/net/${table}`) ?? "", port)));
  if (inodes.size === 0) return [];
  const owners = machine
    .list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) =>
      machine.list(`/proc/${pid}/fd`).some((fd) => {
        const inode = /^socket:\[(\d+)\]$/.exec(machine.link(`/proc/${pid}/fd/${fd}`) ?? "")?.[1];
        return inode !== undefined && inodes.has(inode);
      }),
    )
    .map((pid) => ({ pid: Number(pid), name: machine.read(`/proc/${pid}/comm`)?.trim() ?? "?" }));
  // Of another user, or of the kernel (xfrm's UDP encapsulation).
  return owners.length > 0 ? owners : [{ pid: undefined, name: "somebody whom only root may see" }];
}

/** proc(5): `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`; ports in hex. */
function inodesOf(table: string, port: number): string[] {
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => Number.parseInt(words[1]?.split(":")[1] ?? "", 16) === port)
    .map((words) => words[9] ?? "");
}
