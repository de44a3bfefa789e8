/**
 * Who may make network namespaces: root, and where the kernel allows it everybody, inside a user namespace. The program
 * then runs itself again through `unshare` (util-linux): a process with threads cannot enter a user namespace.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { SystemError } from "#core/errors";
import { newNamespace } from "#io/namespace";

/** Says to our second self that there is no third. */
const INSIDE = "ESPLANADE_USER_NAMESPACE";
const UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"] as const;

export const insideUserNamespace: boolean = process.env[INSIDE] === "1";

export function mayMakeNamespaces(): boolean {
  try {
    newNamespace().close();
    return true;
  } catch (error) {
    if (error instanceof SystemError && (error.code === "EPERM" || error.code === "EACCES")) return false;
    throw error;
  }
}

/** Runs this command line again inside a user namespace and resolves with its exit code. Throws SystemError. */
export async function runInUserNamespace(): Promise<number> {
  const [program, ...words] = UNSHARE;
  const probe = spawnSync(program, [...words, "true"], { encoding: "utf8" });
  if (insideUserNamespace || probe.error !== undefined || probe.status !== 0) {
    const absent = probe.error !== undefined && "code" in probe.error && probe.error.code === "ENOENT";
    throw new SystemError("EPERM", "unshare", "network namespaces", absent ? NO_UNSHARE : remedy());
  }
  const child = spawn(program, [...words, process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    // The channel tells it when we are gone, even after kill -9.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, [INSIDE]: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

const NO_UNSHARE = "run it as root, or install util-linux, whose unshare makes user namespaces";

/** What this kernel has switched off. */
function remedy(): string {
  const switches: readonly (readonly [path: string, off: string, remedy: string])[] = [
    ["kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"],
    ["kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"],
    ["user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"],
  ];
  for (const [path, off, command] of switches)
    if (read(`/proc/sys/${path}`) === off) return `run it as root, or allow user namespaces: ${command}`;
  return "run it as root; a container needs --privileged, or --cap-add NET_ADMIN,SYS_ADMIN --device /dev/net/tun";
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    // Kernels without the switch have nothing to switch on.
    return undefined;
  }
}
