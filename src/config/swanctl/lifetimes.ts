/** Lifetimes of Child SAs and IKE SAs, with what follows from those that are given (swanctl.conf's rules). */
import type { ChildLifetime, Connection } from "#core/connection";
import { millis, octets } from "#core/units";
import type { SectionReader } from "./section-reader.ts";

const NEVER = Number.POSITIVE_INFINITY;
const HOUR = 3_600_000;
/** The hard limit comes this much after the soft one. */
const MARGIN = 0.1;

interface Limits {
  readonly rekey: number;
  readonly life: number;
  readonly rand: number;
}

export function readChildLifetime(reader: SectionReader): ChildLifetime {
  const time = limitsOf(reader, "time", HOUR);
  const bytes = limitsOf(reader, "bytes", NEVER);
  const packets = limitsOf(reader, "packets", NEVER);
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

function limitsOf(reader: SectionReader, unit: "time" | "bytes" | "packets", otherwise: number): Limits {
  const amount = (name: string) => (unit === "time" ? reader.time(`${name}_${unit}`) : reader.count(`${name}_${unit}`));
  // 0 = no limit, as in swanctl.conf.
  const limit = (name: string) => {
    const value = amount(name);
    return value === 0 ? NEVER : value;
  };
  const writtenLife = limit("life");
  const rekey =
    limit("rekey") ??
    (writtenLife === undefined || writtenLife === NEVER ? otherwise : whole(writtenLife / (1 + MARGIN)));
  const life = writtenLife ?? whole(rekey * (1 + MARGIN));
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
): Pick<Connection, "rekeyTime" | "reauthTime" | "overTime" | "randTime"> {
  const reauthTime = reader.time("reauth_time") || NEVER;
  // With reauthentication alone nothing else replaces the SA.
  const rekeyTime = reader.has("rekey_time") || reauthTime === NEVER ? (reader.time("rekey_time") ?? 4 * HOUR) : 0;
  const longer = Math.max(...[rekeyTime, reauthTime].filter((time) => time !== NEVER), 0);
  const overTime = reader.time("over_time") ?? whole(longer * MARGIN);
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
