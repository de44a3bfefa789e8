/**
 * Named levels of security (`level` of a connection): what holds where its file says nothing. `standard` is what a file
 * without the key gets; the others are for what the documents speak of (docs/requirements.md S4, S79).
 */
import { ProtocolId } from "#core/proposal";
import { DEFAULT_PROPOSALS, VERSION_1_PROPOSALS } from "./default-proposals.ts";

export const LEVEL_NAMES = ["standard", "high", "windows-legacy", "windows-legacy-2003"] as const;
export type LevelName = (typeof LEVEL_NAMES)[number];

/** Texts of proposals, as they could stand in a file. */
type Offers = Readonly<Record<ProtocolId, readonly string[]>>;

/** When a pair is replaced, and when it ends; Infinity = never. */
export interface ChildLimits {
  readonly rekey: number;
  readonly life: number;
}

export interface Level {
  readonly name: LevelName;
  readonly version: 0 | 1 | 2;
  readonly offers: Offers;
  /** For version 1 alone; the others are for version 2, and for both. */
  readonly offers1: Offers;
  /** Milliseconds; the IKE SA ends after the sum of both. */
  readonly rekeyTime: number;
  readonly overTime: number;
  /** Milliseconds. */
  readonly childTime: ChildLimits;
  readonly childOctets: ChildLimits;
  readonly microsoft: boolean;
  readonly fallbackRetry: "interval" | "idle";
}

const NEVER: number = Number.POSITIVE_INFINITY;
const MINUTE = 60_000;
const HOUR: number = 60 * MINUTE;

const STANDARD: Level = {
  name: "standard",
  version: 0,
  offers: DEFAULT_PROPOSALS,
  offers1: VERSION_1_PROPOSALS,
  rekeyTime: 4 * HOUR,
  overTime: 24 * MINUTE,
  childTime: { rekey: HOUR, life: 66 * MINUTE },
  childOctets: { rekey: NEVER, life: NEVER },
  microsoft: false,
  fallbackRetry: "interval",
};

/** 192 bits everywhere, session key PFS always, half the lives. */
const HIGH: Level = {
  ...STANDARD,
  name: "high",
  offers: {
    [ProtocolId.IKE]: [
      "aes256gcm16-prfsha384-prfsha512-x448-ecp384-ecp521",
      "aes256-sha384-sha512-prfsha384-prfsha512-x448-ecp384-ecp521",
    ],
    [ProtocolId.ESP]: ["aes256gcm16-x448-ecp384-ecp521-esn-noesn", "aes256-sha384-sha512-x448-ecp384-ecp521-esn-noesn"],
    [ProtocolId.AH]: ["sha384-sha512-x448-ecp384-ecp521-esn-noesn"],
  },
  offers1: {
    [ProtocolId.IKE]: ["aes256-sha384-sha512-ecp384-ecp521"],
    [ProtocolId.ESP]: ["aes256gcm16-ecp384-ecp521-noesn", "aes256-sha384-sha512-ecp384-ecp521-noesn"],
    [ProtocolId.AH]: ["sha384-sha512-ecp384-ecp521-noesn"],
  },
  rekeyTime: 2 * HOUR,
  overTime: 12 * MINUTE,
  childTime: { rekey: 30 * MINUTE, life: 33 * MINUTE },
};

/**
 * Windows 2000 to 2003 by the IP Security Policy snap-in: 28,800 s (MS-GPIPSEC 2.2.1.2), 3,600 s and 100 MB (KB2790970).
 * Without DES and group 1, which must be asked for by name (S45, S78).
 */
const WINDOWS_OFFERS: Offers = {
  [ProtocolId.IKE]: ["3des-sha1-modp2048", "3des-md5-modp2048", "3des-sha1-modp1024", "3des-md5-modp1024"],
  [ProtocolId.ESP]: ["3des-sha1-noesn", "3des-md5-noesn"],
  [ProtocolId.AH]: ["sha1-noesn", "md5-noesn"],
};
const WINDOWS: Level = {
  name: "windows-legacy",
  version: 1,
  offers: WINDOWS_OFFERS,
  offers1: WINDOWS_OFFERS,
  rekeyTime: 8 * HOUR - 10 * MINUTE,
  overTime: 10 * MINUTE,
  childTime: { rekey: 54 * MINUTE, life: HOUR },
  childOctets: { rekey: 90_000_000, life: 100_000_000 },
  microsoft: true,
  fallbackRetry: "interval",
};

export const LEVELS: Readonly<Record<LevelName, Level>> = {
  standard: STANDARD,
  high: HIGH,
  "windows-legacy": WINDOWS,
  "windows-legacy-2003": { ...WINDOWS, name: "windows-legacy-2003", fallbackRetry: "idle" },
};
