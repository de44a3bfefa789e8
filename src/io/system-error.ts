/** Native failures become SystemErrors that say what to do. */
import { SystemError } from "#core/errors";
import type { NativeFailure } from "./native.ts";

const CAPABILITIES: Readonly<Record<string, string>> = {
  TUNSETIFF: "CAP_NET_ADMIN",
  TUNSETPERSIST: "CAP_NET_ADMIN",
  SO_MARK: "CAP_NET_ADMIN",
  SO_BINDTODEVICE: "CAP_NET_RAW",
  socket: "CAP_NET_RAW",
  bind: "CAP_NET_BIND_SERVICE",
  unshare: "CAP_SYS_ADMIN",
  setns: "CAP_SYS_ADMIN",
};

/** What is known to help, whatever the subject. */
function remedyFor(code: string, syscall: string): string | undefined {
  if (syscall === "open /dev/net/tun" && (code === "ENOENT" || code === "ENODEV" || code === "ENXIO"))
    return "modprobe tun, or in a container --device /dev/net/tun";
  if (syscall === "open /dev/net/tun" && (code === "EPERM" || code === "EACCES"))
    return "give the process access to /dev/net/tun; in a container --device /dev/net/tun";
  if (code === "EPERM" || code === "EACCES") {
    const capability = syscall.startsWith("RTM_") ? "CAP_NET_ADMIN" : CAPABILITIES[syscall];
    return capability === undefined ? "run as root" : `run as root or give the process ${capability}`;
  }
  if (syscall === "TUNSETIFF" && code === "EBUSY")
    return "another process has this TUN device open: stop it, or choose another name";
  if (syscall === "TUNSETIFF" && code === "EINVAL")
    return "an interface of this name and another kind exists: remove it, or choose another name";
  if (syscall === "read TUN" && code === "EBADFD") return "somebody removed the TUN device: start the gateway again";
  if (syscall === "bind" && code === "EADDRNOTAVAIL") return "no interface of this host has the address";
  if (syscall === "SO_ATTACH_REUSEPORT_CBPF" && code === "ENOPROTOOPT")
    return 'this kernel cannot share a port by SPI (Linux 4.5 can): give "lanes": 1';
  if (syscall.startsWith("SO_ATTACH_") && code === "ENOMEM") return 'raise net.core.optmem_max, or give fewer "lanes"';
  if (code === "EMFILE" || code === "ENFILE") return "raise the limit of open files (ulimit -n)";
  return undefined;
}

export function systemError(failure: NativeFailure, subject: string, remedy?: string): SystemError {
  return new SystemError(failure.code, failure.syscall, subject, remedy ?? remedyFor(failure.code, failure.syscall));
}

/** What a native constructor threw: a failure of the system, or something else that goes on as it is. */
export function fromThrown(thrown: unknown, subject: string): unknown {
  if (!(thrown instanceof Error) || !isFailure(thrown)) return thrown;
  return systemError(thrown, subject);
}

/** The result of a native call, or its failure thrown. */
export function succeed<Result extends object>(result: Result | NativeFailure, subject: string): Result {
  if (isFailure(result)) throw systemError(result, subject);
  return result;
}

export function isFailure(result: object): result is NativeFailure {
  return "syscall" in result && "code" in result;
}
