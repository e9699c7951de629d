//! Calendars and clock packs as they are written: one TOML file each, in `calendars/` and `clocks/`. Reads and checks;
//! every refusal names file, line and remedy. Each file is known by the hash of its bytes, so that a case can say
//! which one it went by.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use include_dir::{Dir, include_dir};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::case::Priority;
use crate::case::clock::{
    Audience, ClockKind, Escalation, Happening, Pack, Reminder, Span, Spec, Start, Target,
};
use crate::case::working_time::{Holiday, Hours, WorkingTime};
use crate::settings::{Settings, duration};

static CALENDARS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/config/calendars");
static CLOCKS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/config/clocks");

/// Why a file is refused: one sentence with file, line and remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CalendarError(pub String);

/// What an organisation goes by, each under the name of its file.
#[derive(Clone, Debug)]
pub struct Calendars {
    pub times: BTreeMap<String, Hashed<WorkingTime>>,
    pub packs: BTreeMap<String, Hashed<Pack>>,
    /// For teams that name no calendar.
    usual: WorkingTime,
}

/// Something read from a file, with the SHA-256 of the file in lower-case hex.
#[derive(Clone, Debug)]
pub struct Hashed<T> {
    pub value: T,
    pub hash: String,
}

impl Calendars {
    /// Reads `calendars/` and `clocks/` of `config_dir`; of a directory that is not there, what is built in.
    ///
    /// # Errors
    /// The first file that is not right.
    pub fn load(config_dir: Option<&Path>) -> Result<Self, CalendarError> {
        let times = read(config_dir, "calendars", &CALENDARS, working_time)?;
        let packs = read(config_dir, "clocks", &CLOCKS, pack)?;
        let usual = times.get("office").or(times.values().next()).map(|time| time.value.clone());
        let usual = usual.ok_or_else(|| {
            CalendarError(
                "calendars/: there is no calendar; copy office.toml there, which Caseward ships".into(),
            )
        })?;
        Ok(Self { times, packs, usual })
    }

    /// When the team works whose settings name this calendar.
    #[must_use]
    pub fn time(&self, calendar: Option<&str>) -> &WorkingTime {
        calendar.and_then(|name| self.times.get(name)).map_or(&self.usual, |time| &time.value)
    }

    /// Whether all that the settings name is there.
    ///
    /// # Errors
    /// The first name that is not.
    pub fn check(&self, settings: &Settings) -> Result<(), CalendarError> {
        let calendars = settings.teams.iter().filter_map(|team| team.calendar.as_ref());
        if let Some(lost) = calendars.into_iter().find(|name| !self.times.contains_key(*name)) {
            return Err(CalendarError(format!(
                "team.calendar \"{lost}\": there is no calendars/{lost}.toml; write it or correct the name"
            )));
        }
        if let Some(lost) = settings.clocks.packs.iter().find(|name| !self.packs.contains_key(*name)) {
            return Err(CalendarError(format!(
                "clocks.packs \"{lost}\": there is no clocks/{lost}.toml; write it or correct the name"
            )));
        }
        Ok(())
    }
}

type Build<T> = fn(&str, &str) -> Result<T, String>;

fn read<T>(
    config_dir: Option<&Path>,
    directory: &str,
    built_in: &Dir<'_>,
    build: Build<T>,
) -> Result<BTreeMap<String, Hashed<T>>, CalendarError> {
    let own = config_dir.map(|dir| dir.join(directory)).filter(|dir| dir.is_dir());
    let texts = match &own {
        Some(dir) => texts_of(dir)?,
        None => built_in.files().filter_map(built_in_text).collect(),
    };
    let mut all = BTreeMap::new();
    for (file, text) in texts {
        let Some(name) = file.strip_suffix(".toml") else { continue };
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
        let value = build(name, &text).map_err(|why| CalendarError(format!("{directory}/{file}: {why}")))?;
        all.insert(name.to_owned(), Hashed { value, hash });
    }
    Ok(all)
}

fn built_in_text(file: &include_dir::File<'_>) -> Option<(String, String)> {
    Some((file.path().file_name()?.to_str()?.to_owned(), file.contents_utf8()?.to_owned()))
}

fn texts_of(dir: &Path) -> Result<Vec<(String, String)>, CalendarError> {
    let unreadable = |path: &Path, error: std::io::Error| {
        CalendarError(format!("{}: cannot be read ({error}); make it readable to the daemon", path.display()))
    };
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))? {
        let path = entry.map_err(|error| unreadable(dir, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
            texts.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
        }
    }
    texts.sort();
    Ok(texts)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarFile {
    time_zone: String,
    /// Day of the week → `["09:00-12:30", "13:00-17:30"]`.
    hours: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    holidays: Vec<HolidayEntry>,
}

/// One of: a date, a month and day (`"12-25"`), days after Easter Sunday.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidayEntry {
    date: Option<toml::value::Datetime>,
    yearly: Option<String>,
    easter: Option<i16>,
    /// For readers of the file.
    #[serde(rename = "name")]
    _name: Option<String>,
}

fn working_time(_: &str, text: &str) -> Result<WorkingTime, String> {
    let file: CalendarFile = toml::from_str(text).map_err(|error| located(text, &error))?;
    let zone = TimeZone::get(&file.time_zone)
        .map_err(|_| "`time_zone` is not known; write one such as \"Europe/Berlin\"".to_owned())?;
    let mut week: [Vec<Hours>; 7] = Default::default();
    for (day, stretches) in &file.hours {
        let place =
            weekday(day).ok_or_else(|| format!("`{day}` in [hours] is no weekday; write \"monday\""))?;
        let mut hours = stretches
            .iter()
            .map(|text| {
                stretch(text).ok_or_else(|| {
                    format!("\"{text}\" in [hours] is no stretch of a day; write one such as \"09:00-17:30\"")
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        hours.sort_unstable();
        if hours.windows(2).any(|pair| matches!(pair, [a, b] if b.overlaps(*a))) {
            return Err(format!("the hours of {day} overlap; write them apart"));
        }
        if let Some(slot) = week.get_mut(place) {
            *slot = hours;
        }
    }
    if week.iter().all(Vec::is_empty) {
        return Err("no day of the week has hours; write at least one".into());
    }
    let holidays = file.holidays.iter().map(holiday).collect::<Result<Vec<_>, _>>()?;
    Ok(WorkingTime { zone, week, holidays })
}

fn weekday(name: &str) -> Option<usize> {
    const NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    NAMES.iter().position(|known| *known == name)
}

fn stretch(text: &str) -> Option<Hours> {
    let minute = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60).then_some(hour * 60 + minute)
    };
    let (from, to) = text.split_once('-')?;
    Hours::new(minute(from)?, minute(to)?)
}

fn holiday(entry: &HolidayEntry) -> Result<Holiday, String> {
    let wrong = || "a holiday is one of `date = 2026-06-04`, `yearly = \"12-25\"` or `easter = 1`".to_owned();
    match (&entry.date, &entry.yearly, entry.easter) {
        (Some(date), None, None) => {
            let date = date.date.filter(|_| date.time.is_none()).ok_or_else(wrong)?;
            let (month, day) = (i8::try_from(date.month), i8::try_from(date.day));
            let (Ok(year), Ok(month), Ok(day)) = (i16::try_from(date.year), month, day) else {
                return Err(wrong());
            };
            Date::new(year, month, day).map(Holiday::On).map_err(|_| wrong())
        }
        (None, Some(yearly), None) => {
            let (month, day) = yearly.split_once('-').ok_or_else(wrong)?;
            let (month, day) = (month.parse().map_err(|_| wrong())?, day.parse().map_err(|_| wrong())?);
            // In a leap year every month and day is there.
            Date::new(2024, month, day).map(|_| Holiday::Yearly { month, day }).map_err(|_| wrong())
        }
        (None, None, Some(days)) => Ok(Holiday::Easter(days)),
        _ => Err(wrong()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackFile {
    kind: ClockKind,
    source: String,
    #[serde(default)]
    by_hand: bool,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    legal_entities: Vec<String>,
    #[serde(rename = "clock")]
    clocks: Vec<ClockEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockEntry {
    name: String,
    #[serde(default)]
    source: String,
    starts: Option<Happening>,
    /// Starts when this clock of the pack was fulfilled.
    after: Option<String>,
    #[serde(default)]
    ends: Vec<Happening>,
    #[serde(rename = "target")]
    targets: Vec<TargetEntry>,
    at_the_latest: Option<SpanEntry>,
    extension: Option<SpanEntry>,
    #[serde(default)]
    remind: Vec<String>,
    #[serde(default)]
    escalate: Vec<EscalationEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetEntry {
    category: Option<String>,
    priority: Option<Priority>,
    working: Option<String>,
    working_days: Option<u16>,
    months: Option<u16>,
    days: Option<u16>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpanEntry {
    working_days: Option<u16>,
    months: Option<u16>,
    days: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EscalationEntry {
    #[serde(default)]
    after: String,
    to: Audience,
}

fn pack(name: &str, text: &str) -> Result<Pack, String> {
    let file: PackFile = toml::from_str(text).map_err(|error| located(text, &error))?;
    let clocks = file.clocks.iter().map(|entry| spec(file.kind, entry)).collect::<Result<Vec<_>, _>>()?;
    if let Some(twice) = clocks.iter().enumerate().find_map(|(place, clock)| {
        let before = clocks.iter().take(place);
        before.map(|other| &other.name).find(|name| **name == clock.name)
    }) {
        return Err(format!("two clocks are called `{twice}`; rename one"));
    }
    if let Some(lost) = clocks.iter().find_map(|clock| match &clock.starts {
        Start::After(name) if !clocks.iter().any(|other| other.name == *name) => Some(name),
        Start::After(_) | Start::When(_) => None,
    }) {
        return Err(format!("`after = \"{lost}\"` names no clock of this file; correct the name"));
    }
    Ok(Pack {
        name: name.into(),
        kind: file.kind,
        source: file.source,
        by_hand: file.by_hand,
        categories: file.categories,
        entities: file.legal_entities,
        clocks,
    })
}

fn spec(kind: ClockKind, entry: &ClockEntry) -> Result<Spec, String> {
    let of = |why: String| format!("clock `{}`: {why}", entry.name);
    let targets = entry.targets.iter().map(|target| {
        let span = match (&target.working, kind) {
            (Some(text), ClockKind::Service) if target.is_only_working() => duration(text).map(Span::Working),
            (None, ClockKind::Statutory) => days(target.working_days, target.months, target.days),
            _ => None,
        };
        let span = span.ok_or_else(|| match kind {
            ClockKind::Service => {
                "a target of a service clock has `working = \"8h\"`, hours or minutes at work".to_owned()
            }
            ClockKind::Statutory => {
                "a target of a statutory clock has `months` and `days`, or `working_days`".to_owned()
            }
        })?;
        Ok(Target { category: target.category.clone(), priority: target.priority, span })
    });
    let span = |entry: Option<SpanEntry>, key: &str| match entry {
        None => Ok(None),
        Some(entry) => days(entry.working_days, entry.months, entry.days)
            .map(Some)
            .ok_or_else(|| of(format!("`{key}` has `months` and `days`, or `working_days`"))),
    };
    let reminders = entry.remind.iter().map(|text| {
        reminder(kind, text).ok_or_else(|| match kind {
            ClockKind::Service => {
                "`remind` takes shares of the time such as \"75%\", or \"2h\" before the end".to_owned()
            }
            ClockKind::Statutory => "`remind` takes times before the end such as \"2d\"".to_owned(),
        })
    });
    let escalation = entry.escalate.iter().map(|one| {
        let after = if one.after.is_empty() { Some(Duration::ZERO) } else { duration(&one.after) };
        let after = after.ok_or_else(|| "`after` in `escalate` is a time such as \"1d\"".to_owned())?;
        Ok(Escalation { after, to: one.to })
    });
    let starts = match (entry.starts, &entry.after) {
        (starts, None) => Start::When(starts.unwrap_or(Happening::Received)),
        (None, Some(clock)) => Start::After(clock.clone()),
        (Some(_), Some(_)) => return Err(of("`starts` and `after` exclude each other".into())),
    };
    Ok(Spec {
        name: entry.name.clone(),
        source: entry.source.clone(),
        starts,
        ends: entry.ends.clone(),
        targets: targets.collect::<Result<_, _>>().map_err(of)?,
        at_the_latest: span(entry.at_the_latest, "at_the_latest")?,
        extension: span(entry.extension, "extension")?,
        reminders: reminders.collect::<Result<_, _>>().map_err(of)?,
        escalation: escalation.collect::<Result<_, _>>().map_err(of)?,
    })
}

impl TargetEntry {
    fn is_only_working(&self) -> bool {
        self.working_days.is_none() && self.months.is_none() && self.days.is_none()
    }
}

fn days(working_days: Option<u16>, months: Option<u16>, days: Option<u16>) -> Option<Span> {
    match (working_days, months, days) {
        (Some(working), None, None) => Some(Span::WorkingDays(working)),
        (None, None, None) | (Some(_), _, _) => None,
        (None, months, days) => Some(Span::Calendar { months: months.unwrap_or(0), days: days.unwrap_or(0) }),
    }
}

fn reminder(kind: ClockKind, text: &str) -> Option<Reminder> {
    match text.strip_suffix('%') {
        Some(share) if kind == ClockKind::Service => {
            share.trim().parse().ok().filter(|share| (1..100).contains(share)).map(Reminder::Share)
        }
        Some(_) => None,
        None => duration(text).map(Reminder::Before),
    }
}

fn located(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .map_or(1, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
    format!("line {line}: {}; correct it", error.message())
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
