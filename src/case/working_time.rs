//! Working time: the hours of each weekday in one time zone, less the holidays. Pure arithmetic on moments that
//! clocks are built from; knows no cases, no files and not what time it is.

use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use super::Moment;

/// No deadline is looked for further ahead than this many days; a calendar that never works ends there.
const HORIZON: usize = 366 * 10;
const MINUTES_A_DAY: u16 = 24 * 60;

/// When one site works.
#[derive(Clone, Debug)]
pub struct WorkingTime {
    pub zone: TimeZone,
    /// Monday first; each day's hours ascending and apart.
    pub week: [Vec<Hours>; 7],
    pub holidays: Vec<Holiday>,
}

/// A stretch of a working day, in minutes since midnight; `to` may be 1440.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hours {
    from: u16,
    to: u16,
}

/// A day off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holiday {
    On(Date),
    /// The same month and day each year.
    Yearly {
        month: i8,
        day: i8,
    },
    /// So many days after Easter Sunday (Western churches).
    Easter(i16),
}

impl Hours {
    /// `None` unless the stretch is one: from before to, within a day.
    #[must_use]
    pub fn new(from: u16, to: u16) -> Option<Self> {
        (from < to && to <= MINUTES_A_DAY).then_some(Self { from, to })
    }

    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

impl WorkingTime {
    #[must_use]
    pub fn date_of(&self, at: Moment) -> Date {
        at.timestamp().to_zoned(self.zone.clone()).date()
    }

    #[must_use]
    pub fn is_working(&self, at: Moment) -> bool {
        self.openings(self.date_of(at)).any(|(open, close)| open <= at && at < close)
    }

    /// The first working moment at or after `at`.
    #[must_use]
    pub fn next_working(&self, at: Moment) -> Option<Moment> {
        self.after(at, Duration::ZERO)
    }

    /// The moment by which `span` of working time has passed since `start`; `None` when that is beyond ten years.
    #[must_use]
    pub fn after(&self, start: Moment, span: Duration) -> Option<Moment> {
        let mut left = span;
        for date in days_from(self.date_of(start)) {
            for (open, close) in self.openings(date) {
                let from = open.max(start);
                if from >= close {
                    continue;
                }
                let here = from.until(close);
                if left < here || (left == here && !left.is_zero()) {
                    return Some(from.plus(left));
                }
                left -= here;
            }
        }
        None
    }

    /// The working time that passed from `from` to `to`.
    #[must_use]
    pub fn between(&self, from: Moment, to: Moment) -> Duration {
        let last = self.date_of(to);
        days_from(self.date_of(from))
            .take_while(|date| *date <= last)
            .flat_map(|date| self.openings(date))
            .map(|(open, close)| open.max(from).until(close.min(to)))
            .sum()
    }

    /// The end of the `days`-th working day after the day of `start`, which is not counted itself.
    #[must_use]
    pub fn after_working_days(&self, start: Moment, days: u16) -> Option<Moment> {
        let mut working = days_from(self.date_of(start)).skip(1).filter(|date| self.works_on(*date));
        let last = match days {
            0 => self.date_of(start),
            days => working.nth(usize::from(days) - 1)?,
        };
        self.end_of(last)
    }

    /// The end of the day that lies `months` and then `days` after the day of `start`. A month that has no such day
    /// ends with its last.
    #[must_use]
    pub fn after_calendar(&self, start: Moment, months: u16, days: u16) -> Option<Moment> {
        let span = |months: Span, days: Span| {
            self.date_of(start).checked_add(months).and_then(|date| date.checked_add(days))
        };
        self.end_of(span(i32::from(months).months(), i32::from(days).days()).ok()?)
    }

    #[must_use]
    pub fn works_on(&self, date: Date) -> bool {
        !self.hours(date.weekday()).is_empty() && !self.is_holiday(date)
    }

    /// The last year that the dated holidays reach; `None` when there are none, so that the list never ends.
    #[must_use]
    pub fn known_until(&self) -> Option<i16> {
        let dated = self.holidays.iter().filter_map(|holiday| match holiday {
            Holiday::On(date) => Some(date.year()),
            Holiday::Yearly { .. } | Holiday::Easter(_) => None,
        });
        dated.max()
    }

    fn is_holiday(&self, date: Date) -> bool {
        self.holidays.iter().any(|holiday| match *holiday {
            Holiday::On(day) => day == date,
            Holiday::Yearly { month, day } => date.month() == month && date.day() == day,
            Holiday::Easter(after) => {
                easter(date.year()).and_then(|sunday| sunday.checked_add(i32::from(after).days()).ok())
                    == Some(date)
            }
        })
    }

    fn hours(&self, weekday: Weekday) -> &[Hours] {
        let index = usize::try_from(weekday.to_monday_zero_offset()).unwrap_or_default();
        self.week.get(index).map_or(&[], Vec::as_slice)
    }

    /// When work begins and ends on a day. Where clocks change, a stretch is as long as it really was.
    fn openings(&self, date: Date) -> impl Iterator<Item = (Moment, Moment)> + '_ {
        let hours = if self.is_holiday(date) { &[] } else { self.hours(date.weekday()) };
        hours.iter().filter_map(move |hours| {
            let (open, close) = (self.minute(date, hours.from)?, self.minute(date, hours.to)?);
            (open < close).then_some((open, close))
        })
    }

    fn minute(&self, date: Date, minute: u16) -> Option<Moment> {
        if minute == MINUTES_A_DAY {
            return self.end_of(date);
        }
        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
        let zoned = date.at(hour, minute, 0, 0).to_zoned(self.zone.clone()).ok()?;
        Some(zoned.timestamp().into())
    }

    fn end_of(&self, date: Date) -> Option<Moment> {
        let midnight = date.tomorrow().ok()?.to_zoned(self.zone.clone()).ok()?;
        Some(midnight.timestamp().into())
    }
}

fn days_from(first: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |date| date.tomorrow().ok()).take(HORIZON)
}

/// Easter Sunday of the Gregorian calendar, by the rules of 1582: the Sunday after the first ecclesiastical full moon
/// on or after 21 March.
fn easter(year: i16) -> Option<Date> {
    let year = i32::from(year);
    let golden = year % 19;
    let century = year / 100;
    // Days by which the lunar and the solar correction have moved the Julian full moons.
    let epact = (century - century / 4 - (8 * century + 13) / 25 + 19 * golden + 15) % 30;
    let moon = epact - (epact / 28) * (1 - (29 / (epact + 1)) * ((21 - golden) / 11));
    let weekday = (year + year / 4 + moon + 2 - century + century / 4) % 7;
    let after_march = 28 + moon - weekday;
    let (month, day) = if after_march > 31 { (4, after_march - 31) } else { (3, after_march) };
    Date::new(i16::try_from(year).ok()?, month, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn office(zone: &str) -> WorkingTime {
        let day = vec![Hours::new(9 * 60, 12 * 60).unwrap(), Hours::new(13 * 60, 18 * 60).unwrap()];
        let off = Vec::new();
        WorkingTime {
            zone: TimeZone::get(zone).unwrap(),
            week: [day.clone(), day.clone(), day.clone(), day.clone(), day, off.clone(), off],
            holidays: vec![
                Holiday::Yearly { month: 12, day: 25 },
                Holiday::Easter(1),
                Holiday::On(date(2026, 6, 4)),
            ],
        }
    }

    fn at(text: &str) -> Moment {
        text.parse::<jiff::Zoned>().unwrap().timestamp().into()
    }

    #[test]
    fn working_time_passes_over_nights_weekends_lunch_and_holidays() {
        let berlin = office("Europe/Berlin");
        let cases = [
            ("2026-03-02T09:00[Europe/Berlin]", 8, "2026-03-02T18:00[Europe/Berlin]"),
            ("2026-03-02T11:30[Europe/Berlin]", 1, "2026-03-02T13:30[Europe/Berlin]"),
            // Friday evening, then Monday.
            ("2026-03-06T20:00[Europe/Berlin]", 1, "2026-03-09T10:00[Europe/Berlin]"),
            // The clocks change on the Sunday between.
            ("2026-03-27T17:00[Europe/Berlin]", 2, "2026-03-30T10:00[Europe/Berlin]"),
            // Good Friday is worked here, Easter Monday is not.
            ("2026-04-03T17:00[Europe/Berlin]", 2, "2026-04-07T10:00[Europe/Berlin]"),
            ("2026-12-24T17:30[Europe/Berlin]", 1, "2026-12-28T09:30[Europe/Berlin]"),
        ];
        for (start, hours, end) in cases {
            let start = at(start);
            let found = berlin.after(start, Duration::from_secs(hours * 3600)).unwrap();
            assert_eq!(found, at(end), "{start} and {hours} hours");
            assert_eq!(berlin.between(start, found), Duration::from_secs(hours * 3600));
        }
    }

    #[test]
    fn a_night_shift_is_as_long_as_it_really_was() {
        let mut night = office("Europe/Berlin");
        night.week = std::array::from_fn(|_| vec![Hours::new(0, 6 * 60).unwrap()]);
        let (from, to) = (at("2026-03-29T00:00[Europe/Berlin]"), at("2026-03-29T06:00[Europe/Berlin]"));
        assert_eq!(night.between(from, to), Duration::from_secs(5 * 3600));
        let (from, to) = (at("2026-10-25T00:00[Europe/Berlin]"), at("2026-10-25T06:00[Europe/Berlin]"));
        assert_eq!(night.between(from, to), Duration::from_secs(7 * 3600));
    }

    #[test]
    fn calendar_periods_end_with_their_last_day() {
        let berlin = office("Europe/Berlin");
        let cases = [
            ("2026-03-02T23:59[Europe/Berlin]", 0, 7, "2026-03-10T00:00[Europe/Berlin]"),
            ("2026-01-31T10:00[Europe/Berlin]", 1, 0, "2026-03-01T00:00[Europe/Berlin]"),
            ("2028-02-29T10:00[Europe/Berlin]", 12, 0, "2029-03-01T00:00[Europe/Berlin]"),
            ("2026-01-01T00:00[Europe/Berlin]", 3, 7, "2026-04-09T00:00[Europe/Berlin]"),
        ];
        for (start, months, days, end) in cases {
            assert_eq!(berlin.after_calendar(at(start), months, days), Some(at(end)), "{start}");
        }
        let friday = at("2026-04-02T10:00[Europe/Berlin]");
        assert_eq!(berlin.after_working_days(friday, 2), Some(at("2026-04-08T00:00[Europe/Berlin]")));
    }

    #[test]
    fn easter_is_known() {
        for (year, month, day) in [(2024, 3, 31), (2025, 4, 20), (2026, 4, 5), (2038, 4, 25), (2285, 3, 22)] {
            assert_eq!(easter(year), Date::new(year, month, day).ok());
        }
    }

    #[test]
    fn a_calendar_that_never_works_has_no_deadlines() {
        let mut never = office("UTC");
        never.week = Default::default();
        assert_eq!(never.after(Moment::from_micros(0), Duration::from_secs(1)), None);
        assert_eq!(never.next_working(Moment::from_micros(0)), None);
        assert_eq!(never.after_working_days(Moment::from_micros(0), 1), None);
    }

    proptest! {
        /// What was added is what lies between, wherever one starts and whatever the clocks did meanwhile.
        #[test]
        fn after_and_between_agree(start in 1_700_000_000i64..1_900_000_000, minutes in 1u64..30_000) {
            let berlin = office("Europe/Berlin");
            let start = Moment::from_micros(start * 1_000_000);
            let span = Duration::from_secs(minutes * 60);
            let end = berlin.after(start, span).unwrap();
            prop_assert_eq!(berlin.between(start, end), span);
            prop_assert!(end >= start.plus(span));
        }

        #[test]
        fn working_time_adds_up(start in 1_700_000_000i64..1_900_000_000, a in 1u64..9_000, b in 1u64..9_000) {
            let berlin = office("America/New_York");
            let start = Moment::from_micros(start * 1_000_000);
            let (a, b) = (Duration::from_secs(a * 60), Duration::from_secs(b * 60));
            let whole = berlin.after(start, a + b).unwrap();
            prop_assert_eq!(berlin.after(berlin.after(start, a).unwrap(), b), Some(whole));
        }
    }
}
