/** The systemd unit of a gateway: what it starts, what it may, and what it is given (systemd.service(5), systemd.exec(5)). */

/** The rights of a gateway: devices, routes and marks; raw sockets; ports below 1024. */
const CAPABILITIES = "CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE";

/** First line of files that `service install` may write again and `service remove` may remove. */
export const MADE_BY = "# Made by `esplanade service install`; changes belong into a drop-in: systemctl edit";

export interface ServiceUser {
  /** dynamic: systemd makes the account for as long as the service runs. */
  readonly kind: "dynamic" | "account";
  readonly name: string;
}

export interface UnitParts {
  /** Of the unit, without ".service"; the directory in /run is called so too. */
  readonly name: string;
  /** The program with its first words, whole paths. */
  readonly program: readonly string[];
  readonly file: string;
  readonly user: ServiceUser;
  /** Name → the file that systemd reads it from. */
  readonly credentials: ReadonlyMap<string, string>;
}

export function unitText({ name, program, file, user, credentials }: UnitParts): string {
  const socket = `/run/${name}/control.sock`;
  const command = (...words: readonly string[]) => [...program, ...words].map(quoted).join(" ");
  return [
    MADE_BY,
    "[Unit]",
    "Description=Esplanade, a userspace IPsec gateway",
    "Wants=network-online.target",
    "After=network-online.target nss-lookup.target",
    "",
    "[Service]",
    // READY, RELOADING, STATUS, WATCHDOG; an upgrade tells MAINPID.
    "Type=notify",
    "NotifyAccess=main",
    `ExecStart=${command("up", file, "--socket", socket, "--vici", `/run/${name}/charon.vici`)}`,
    `ExecReload=${command("reload", "--socket", socket)}`,
    "WatchdogSec=30",
    "Restart=on-failure",
    "RestartSec=1",
    "TimeoutStopSec=30",
    "",
    ...(user.kind === "dynamic" ? ["DynamicUser=yes"] : []),
    `User=${user.name}`,
    `RuntimeDirectory=${name}`,
    "RuntimeDirectoryMode=0700",
    "UMask=0077",
    ...[...credentials].map(([credential, path]) => `LoadCredential=${credential}:${specifier(path)}`),
    "",
    `AmbientCapabilities=${CAPABILITIES}`,
    `CapabilityBoundingSet=${CAPABILITIES}`,
    "NoNewPrivileges=yes",
    "DevicePolicy=closed",
    "DeviceAllow=/dev/net/tun rw",
    "# Lanes go before other processes; keys stay in memory and out of core dumps.",
    "LimitRTPRIO=1",
    "LimitNICE=-10",
    "LimitMEMLOCK=64M",
    "LimitCORE=0",
    "LimitNOFILE=65536",
    "",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX",
    "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "# For the priority of lanes.",
    "SystemCallFilter=setpriority sched_setscheduler",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateMounts=yes",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "LockPersonality=yes",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "RemoveIPC=yes",
    "KeyringMode=private",
    "# Not MemoryDenyWriteExecute: V8 compiles at run time. Not RestrictRealtime: lanes that keep up go before others.",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}

/** sysusers.d(5): an account that is there whether the service runs or not. */
export function sysusersText(user: string): string {
  return `${MADE_BY}\nu ${user} - "Esplanade IPsec gateway" /run/${user}\n`;
}

/** A word of a command line as systemd reads it: what it would expand is doubled. */
function quoted(word: string): string {
  const text = specifier(word).replaceAll("$", "$$$$");
  return /^[A-Za-z0-9_./:@%$+,=-]+$/.test(text) ? text : `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

function specifier(text: string): string {
  return text.replaceAll("%", "%%");
}
