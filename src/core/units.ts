/** A number carries its unit in its type; the makers below are the only places where one is claimed. */
declare const unit: unique symbol;

/** Milliseconds of a monotonic clock, or a span of them. */
export type Millis = number & { readonly [unit]: "Millis" };
/** A count of octets. */
export type Octets = number & { readonly [unit]: "Octets" };
/** Security Parameters Index as an int32 (RFC 4303 §2.1); print it with `spiToString`. */
export type Spi = number & { readonly [unit]: "Spi" };
/** Index of an SA's row in the SA table; also the cipher's key slot. */
export type Slot = number & { readonly [unit]: "Slot" };

export function millis(value: number): Millis {
  return value as Millis;
}

export function octets(value: number): Octets {
  return value as Octets;
}

/** Any 32-bit number → Spi; 0–255 are reserved (RFC 4303 §2.1) and are refused where SAs are installed. */
export function spi(value: number): Spi {
  return (value | 0) as Spi;
}

export function slot(value: number): Slot {
  return value as Slot;
}

/** "0x0000a5f8", as tcpdump and Wireshark write it. */
export function spiToString(value: Spi): string {
  return `0x${(value >>> 0).toString(16).padStart(8, "0")}`;
}
