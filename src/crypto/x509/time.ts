/** Times of certificates (RFC 5280 §4.1.2.5) as epoch milliseconds, without the platform's calendar. */
import { DerError, type DerReader, der, Tag } from "./der.ts";

const DAY = 86_400_000;
const MONTH_LENGTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** UTCTime or GeneralizedTime, in Zulu with seconds. */
export function readTime(reader: DerReader, field: string): number {
  const value = reader.any(field);
  const text = String.fromCharCode(...value.content.subarray(0, 20));
  const digits =
    value.tag === Tag.UTC_TIME && /^\d{12}Z$/.test(text)
      ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}`
      : value.tag === Tag.GENERALIZED_TIME && /^\d{14}Z$/.test(text)
        ? text
        : undefined;
  if (digits === undefined || value.content.length > 15) throw new DerError(`${field} is no time`, value.offset);
  const part = (from: number, length: number) => Number(digits.slice(from, from + length));
  const [year, month, day] = [part(0, 4), part(4, 2), part(6, 2)];
  const [hour, minute, second] = [part(8, 2), part(10, 2), part(12, 2)];
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = month === 2 && !leap ? 28 : (MONTH_LENGTHS[month - 1] ?? 0);
  if (day < 1 || day > days || hour > 23 || minute > 59 || second > 59) {
    throw new DerError(`${field} is no time`, value.offset);
  }
  return daysFromCivil(year, month, day) * DAY + ((hour * 60 + minute) * 60 + second) * 1000;
}

/** UTCTime through 2049, GeneralizedTime from 2050 on. */
export function derTime(time: number): Uint8Array {
  const { year, month, day } = civilFromDays(Math.floor(time / DAY));
  const seconds = Math.floor((time - Math.floor(time / DAY) * DAY) / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = `${two(Math.floor(seconds / 3600))}${two(Math.floor(seconds / 60) % 60)}${two(seconds % 60)}Z`;
  const utc = year >= 1950 && year < 2050;
  const date = `${utc ? two(year % 100) : String(year).padStart(4, "0")}${two(month)}${two(day)}`;
  return der(utc ? Tag.UTC_TIME : Tag.GENERALIZED_TIME, new TextEncoder().encode(date + clock));
}

/** "2026-11-01". */
export function dateToString(time: number): string {
  const { year, month, day } = civilFromDays(Math.floor(time / DAY));
  return `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
}

/** "a week", "3 days", "2 years": how long a span is, for people. */
export function spanToString(span: number): string {
  const minutes = Math.floor(span / 60_000);
  const units: readonly (readonly [number, string, string])[] = [
    [365 * 24 * 60, "a year", "years"],
    [30 * 24 * 60, "a month", "months"],
    [7 * 24 * 60, "a week", "weeks"],
    [24 * 60, "a day", "days"],
    [60, "an hour", "hours"],
    [1, "a minute", "minutes"],
  ];
  for (const [length, one, many] of units) {
    const count = Math.floor(minutes / length);
    if (count > 0) return count === 1 ? one : `${count} ${many}`;
  }
  return "less than a minute";
}

// Days of the proleptic Gregorian calendar since 1970-01-01; a year begins in March, so that leap days end it.
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146097 + dayOfEra - 719468;
}

function civilFromDays(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const shifted = days + 719468;
  const era = Math.floor(shifted / 146097);
  const dayOfEra = shifted - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}
