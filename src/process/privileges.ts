/**
 * A gateway that root starts goes on as another account, with the three capabilities it needs. Rights belong to threads, and
 * Node has several when the first line of ours runs: so the program executes itself again, as nobody else any more, and
 * every thread and child (nft, updown) has these rights alone.
 */
import { lchownSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { SystemError } from "#core/errors";
import { type Account, becomeUser, findAccount } from "#io/account";
import { CONTROL_SOCKET } from "#io/control-socket";

const HOME = dirname(CONTROL_SOCKET);
/** capabilities(7). */
const CAPABILITIES: ReadonlyMap<number, string> = new Map([
  [10, "CAP_NET_BIND_SERVICE"],
  [12, "CAP_NET_ADMIN"],
  [13, "CAP_NET_RAW"],
]);
const WANTED = [...CAPABILITIES.keys()].reduce((set, one) => set | (1n << BigInt(one)), 0n);

/** Returns as the account, with the line that says what it may; `sockets`: what it will make. Throws SystemError. */
export function runAs(name: string, sockets: readonly (string | undefined)[]): string {
  const account = findAccount(name);
  if (account === undefined)
    throw new SystemError("ENOENT", "getpwnam", `--user ${name}`, `there is no such account: useradd --system ${name}`);
  if (account.uid === 0)
    throw new SystemError("EINVAL", "setresuid", `--user ${name}`, "root gives nothing up: name another account");
  const own = process.getuid?.();
  if (own === account.uid) return rightsText(name, readFileSync("/proc/self/status", "latin1"));
  if (own !== 0) throw new SystemError("EPERM", "setresuid", `--user ${name}`, "only root may become another user");
  if (sockets.some((path) => path !== undefined && dirname(path) === HOME)) giveHome(account);
  return becomeUser(name, account, [...CAPABILITIES.keys()]);
}

/** Nobody but root may make the directory of our sockets. */
function giveHome({ uid, gid }: Account): void {
  try {
    mkdirSync(HOME, { recursive: true, mode: 0o700 });
    lchownSync(HOME, uid, gid);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "EIO";
    throw Object.assign(new SystemError(code, "chown", HOME, "name other sockets (--socket, --vici)"), { cause });
  }
}

/** What proc(5) says of a process's rights, in one line. */
export function rightsText(name: string, status: string): string {
  const field = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
  const set = (key: string) => BigInt(`0x${field(key) === "" ? "0" : field(key)}`);
  const effective = set("CapEff");
  const names = [...CAPABILITIES].flatMap(([one, text]) => (((effective >> BigInt(one)) & 1n) === 1n ? [text] : []));
  const more = (effective | set("CapPrm")) & ~WANTED;
  const rights = [...names, ...(more === 0n ? [] : [`others (0x${more.toString(16)})`])];
  const way =
    (set("CapBnd") & ~WANTED) === 0n && field("NoNewPrivs") === "1" ? "gave up all others for good" : "may get more";
  return `runs as ${name} with ${rights.length === 0 ? "no rights" : rights.join(", ")}; ${way}`;
}
