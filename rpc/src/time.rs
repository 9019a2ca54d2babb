//! Times: microseconds since 1970 inside, `google.protobuf.Timestamp` on the wire.

use std::time::{SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

/// Microseconds in a second.
const US: i64 = 1_000_000;

/// Now, by this machine's clock.
#[must_use]
pub fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A time as the contracts write it.
#[must_use]
pub fn timestamp(us: i64) -> Timestamp {
    // Below a million, hence below 10^9 nanoseconds.
    Timestamp { seconds: us.div_euclid(US), nanos: i32::try_from(us.rem_euclid(US) * 1_000).unwrap_or_default() }
}

/// A time of the contracts in microseconds; beyond what they can count it is their end.
#[must_use]
pub fn timestamp_us(time: &Timestamp) -> i64 {
    time.seconds.saturating_mul(US).saturating_add(i64::from(time.nanos) / 1_000)
}

/// The year and the month (1 to 12) of a time, in UTC; of 1970 for anything before it.
#[must_use]
pub fn year_and_month(us: i64) -> (u32, u32) {
    let (year, month, _) = date(us);
    (year, month)
}

/// The year, the month (1 to 12) and the day (1 to 31) of a time, in UTC; those of 1970 for anything before it.
#[must_use]
pub fn date(us: i64) -> (u32, u32, u32) {
    // Days to civil, by eras of 400 years that begin in March (Howard Hinnant, chrono-compatible low-level date algorithms).
    let days = u64::try_from(us).unwrap_or_default() / (86_400 * US.unsigned_abs()) + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let [year, month, day] = [year, month, day].map(|part| u32::try_from(part).unwrap_or(u32::MAX));
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_still_has_nanoseconds_that_count_forward() {
        assert_eq!(timestamp(-1), Timestamp { seconds: -1, nanos: 999_999_000 });
        assert_eq!(timestamp(1_500_000), Timestamp { seconds: 1, nanos: 500_000_000 });
    }

    #[test]
    fn a_time_is_on_its_day_to_the_last_microsecond() {
        let date = |seconds: i64| date(seconds * US);
        assert_eq!((date(0), date(86_399), date(86_400)), ((1970, 1, 1), (1970, 1, 1), (1970, 1, 2)));
        assert_eq!((date(951_868_799), date(951_868_800)), ((2000, 2, 29), (2000, 3, 1)));
        assert_eq!((date(1_767_225_599), date(1_767_225_600)), ((2025, 12, 31), (2026, 1, 1)));
    }

    #[test]
    fn a_time_is_in_its_month_to_the_last_microsecond() {
        let month = |seconds: i64| year_and_month(seconds * US);
        assert_eq!((month(0), month(-5)), ((1970, 1), (1970, 1)));
        // 2000-02-29T23:59:59Z, and a second later.
        assert_eq!((month(951_868_799), month(951_868_800)), ((2000, 2), (2000, 3)));
        assert_eq!((month(4_102_444_799), month(4_102_444_800)), ((2099, 12), (2100, 1)));
        // 2100 is no leap year: 2100-02-28T23:59:59Z.
        assert_eq!((month(4_107_542_399), month(4_107_542_400)), ((2100, 2), (2100, 3)));
    }
}
