/** Lifetimes of Child SAs and IKE SAs, with what follows from those that are given (swanctl.conf's rules). */
import type { ChildLifetime, Connection } from "#core/connection";
import { millis, octets } from "#core/units";
import type { ChildLimits, Level } from "./levels.ts";
import type { SectionReader } from "./section-reader.ts";

const NEVER = Number.POSITIVE_INFINITY;
/** The hard limit comes this much after the soft one. */
const MARGIN = 0.1;

interface Limits {
  readonly rekey: number;
  readonly life: number;
  readonly rand: number;
}

const UNLIMITED: ChildLimits = { rekey: NEVER, life: NEVER };

export function readChildLifetime(reader: SectionReader, level: Level): ChildLifetime {
  const time = limitsOf(reader, "time", level.childTime);
  const bytes = limitsOf(reader, "bytes", level.childOctets);
  const packets = limitsOf(reader, "packets", UNLIMITED);
  return {
    rekeyTime: millis(time.rekey),
    lifeTime: millis(time.life),
    randTime: millis(time.rand),
    rekeyOctets: octets(bytes.rekey),
    lifeOctets: octets(bytes.life),
    randOctets: octets(bytes.rand),
    rekeyPackets: packets.rekey,
    lifePackets: packets.life,
    randPackets: packets.rand,
  };
}

function limitsOf(reader: SectionReader, unit: "time" | "bytes" | "packets", otherwise: ChildLimits): Limits {
  const amount = (name: string) => (unit === "time" ? reader.time(`${name}_${unit}`) : reader.count(`${name}_${unit}`));
  // 0 = no limit, as in swanctl.conf.
  const limit = (name: string) => {
    const value = amount(name);
    return value === 0 ? NEVER : value;
  };
  const writtenRekey = limit("rekey");
  const writtenLife = limit("life");
  const rekey =
    writtenRekey ??
    (writtenLife === undefined || writtenLife === NEVER ? otherwise.rekey : whole(writtenLife / (1 + MARGIN)));
  const life = writtenLife ?? (writtenRekey === undefined ? otherwise.life : whole(rekey * (1 + MARGIN)));
  if (life < rekey && rekey !== NEVER)
    reader.wrong(
      reader.has(`life_${unit}`) ? `life_${unit}` : `rekey_${unit}`,
      `life_${unit} ends the SA before rekey_${unit} replaces it`,
      `make it larger than rekey_${unit}, a tenth more is usual`,
    );
  const written = amount("rand");
  const rand = written ?? (rekey === NEVER || life === NEVER ? 0 : Math.max(0, life - rekey));
  if (written !== undefined && written >= rekey && written > 0)
    reader.wrong(`rand_${unit}`, `rand_${unit} may take all of rekey_${unit}`, "make it a tenth of it");
  return { rekey, life, rand };
}

/** The IKE SA's times; `over_time` and `rand_time` are a tenth of the longer one where they are not given. */
export function readIkeLifetime(
  reader: SectionReader,
  level: Level,
): Pick<Connection, "rekeyTime" | "reauthTime" | "overTime" | "randTime"> {
  const reauthTime = reader.time("reauth_time") || NEVER;
  // With reauthentication alone nothing else replaces the SA.
  const rekeyTime =
    reader.has("rekey_time") || reauthTime === NEVER ? (reader.time("rekey_time") ?? level.rekeyTime) : 0;
  const longer = Math.max(...[rekeyTime, reauthTime].filter((time) => time !== NEVER), 0);
  const ofLevel = reader.has("rekey_time") || reauthTime !== NEVER ? undefined : level.overTime;
  const overTime = reader.time("over_time") ?? ofLevel ?? whole(longer * MARGIN);
  const randTime = reader.time("rand_time") ?? overTime;
  const sooner = Math.min(rekeyTime || NEVER, reauthTime);
  if (reader.has("rand_time") && randTime >= sooner)
    reader.wrong("rand_time", "rand_time may take all of the time before the rekey", "make it a tenth of it");
  return {
    rekeyTime: millis(rekeyTime || NEVER),
    reauthTime: millis(reauthTime),
    overTime: millis(overTime),
    randTime: millis(Math.min(randTime, sooner)),
  };
}

function whole(value: number): number {
  return value === NEVER ? NEVER : Math.round(value);
}
