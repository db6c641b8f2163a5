//! A moment in microseconds, as PostgreSQL keeps it, with one spelling: `2026-11-22T22:45:23.000120Z`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use time::{Date, Month, OffsetDateTime, Time};

/// A moment, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

/// Length of the text in bytes.
const TEXT: usize = 27;

impl Stamp {
    /// The moment, cut to whole microseconds.
    #[must_use]
    pub fn of(at: OffsetDateTime) -> Self {
        Self(at.unix_timestamp().saturating_mul(1_000_000).saturating_add(i64::from(at.microsecond())))
    }

    /// As a date and time, in UTC; the epoch where the year is beyond 9999.
    #[must_use]
    pub fn time(self) -> OffsetDateTime {
        let whole = OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1_000_000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let micros = u32::try_from(self.0.rem_euclid(1_000_000)).unwrap_or(0);
        whole.replace_microsecond(micros).unwrap_or(whole)
    }

    /// Seconds from another moment to this one.
    #[must_use]
    pub fn seconds_since(self, before: Self) -> i64 {
        self.0.saturating_sub(before.0) / 1_000_000
    }

    /// Reads the one spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let b: &[u8; TEXT] = text.as_bytes().try_into().ok()?;
        let number =
            |from: usize, to: usize| b[from..to].iter().try_fold(0_u32, |n, d| d.is_ascii_digit().then(|| n * 10 + u32::from(d - b'0')));
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
        if marks.iter().any(|(at, mark)| b[*at] != *mark) {
            return None;
        }
        let small = |from, to| number(from, to).and_then(|n| u8::try_from(n).ok());
        let date = Date::from_calendar_date(i32::try_from(number(0, 4)?).ok()?, Month::try_from(small(5, 7)?).ok()?, small(8, 10)?).ok()?;
        let time = Time::from_hms_micro(small(11, 13)?, small(14, 16)?, small(17, 19)?, number(20, 26)?).ok()?;
        Some(Self::of(OffsetDateTime::new_utc(date, time)))
    }

    fn text(self) -> [u8; TEXT] {
        let at = self.time();
        let mut out = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |from: usize, to: usize, mut n: u32| {
            for byte in out[from..to].iter_mut().rev() {
                *byte = b'0' + u8::try_from(n % 10).unwrap_or(0);
                n /= 10;
            }
        };
        put(0, 4, u32::try_from(at.year()).unwrap_or(0));
        put(5, 7, u32::from(u8::from(at.month())));
        put(8, 10, u32::from(at.day()));
        put(11, 13, u32::from(at.hour()));
        put(14, 16, u32::from(at.minute()));
        put(17, 19, u32::from(at.second()));
        put(20, 26, at.microsecond());
        out
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(std::str::from_utf8(&self.text()).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Moment;
        impl de::Visitor<'_> for Moment {
            type Value = Stamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a moment such as 2026-11-22T22:45:23.000120Z")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Stamp, E> {
                Stamp::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        from.deserialize_str(Moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_moment_of_four_digit_years_reads_back(micros in -62_135_596_800_000_000_i64..253_402_300_799_999_999) {
            let stamp = Stamp(micros);
            prop_assert_eq!(Stamp::parse(&stamp.to_string()), Some(stamp));
            prop_assert_eq!(Stamp::of(stamp.time()), stamp);
        }

        #[test]
        fn anything_else_is_refused_and_never_panics(text in ".{0,30}") {
            if let Some(stamp) = Stamp::parse(&text) {
                prop_assert_eq!(stamp.to_string(), text);
            }
        }
    }

    #[test]
    fn a_moment_is_spelled_with_six_decimals() {
        assert_eq!(Stamp(1_795_387_523_000_120).to_string(), "2026-11-22T22:45:23.000120Z");
        assert_eq!(Stamp::parse("2026-02-30T00:00:00.000000Z"), None);
    }
}
