//! Clocks: deadlines that follow from what happened to a case. Nothing of a clock is kept: all is derived from the
//! events, so that deriving it again gives the same. Pure; when somebody must be told follows in [`steps`].
//!
//! A service clock counts working time and rests while HR waits for the employee. A statutory clock starts with
//! receipt even if the matter is recognised later, never rests, and moves only by events that its norm names.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kinds::{Category, Priority, words};
use super::moment::Moment;
use super::working_time::WorkingTime;

words! {
    /// What makes a clock start, rest and end.
    Happening {
        Received = "received", Acknowledged = "acknowledged", Answered = "answered", Waiting = "waiting",
        Resumed = "resumed", Resolved = "resolved", Reopened = "reopened", Closed = "closed",
    }
}
words! {
    /// Whether a clock is the house's promise or a norm's demand.
    ClockKind { Service = "service", Statutory = "statutory" }
}
words! {
    /// Who is told of a clock.
    Audience { Owner = "owner", Lead = "lead", Head = "head" }
}

/// Something that happened to a case, as far as clocks care. Stored as JSON, in clear: it tells nothing of people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Happened(Happening),
    /// What the case is about and how pressing, from now on.
    Sorted {
        category: Category,
        priority: Priority,
    },
    /// A person found that a pack applies, or does not, whatever the category.
    Norm {
        pack: String,
        applies: bool,
    },
    /// A person met the demand of a statutory clock; the proof is in the audit log.
    Fulfilled {
        pack: String,
        clock: String,
    },
    /// The norm's own extension was used.
    Extended {
        pack: String,
        clock: String,
    },
}

/// An event of a case. Events are ordered by version; their time is never earlier than the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub at: Moment,
    pub what: What,
}

/// Clocks that belong together: the house's promises, or one norm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    pub name: String,
    pub kind: ClockKind,
    /// Where it stands: an article, a policy.
    pub source: String,
    /// Categories it applies to; empty means every one.
    pub categories: Vec<String>,
    /// Applies only where a person says so, whatever the category.
    pub by_hand: bool,
    /// Legal entities it applies to; empty means every one.
    pub entities: Vec<String>,
    pub clocks: Vec<Spec>,
}

/// One clock of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub name: String,
    pub source: String,
    pub starts: Start,
    /// Any of these ends it.
    pub ends: Vec<Happening>,
    /// The first that fits the case counts.
    pub targets: Vec<Target>,
    /// Counted from receipt; when it ends earlier, or nothing started the clock, it counts instead.
    pub at_the_latest: Option<Span>,
    /// What the norm allows to be added, once.
    pub extension: Option<Span>,
    pub reminders: Vec<Reminder>,
    pub escalation: Vec<Escalation>,
}

/// What starts a clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    When(Happening),
    /// When the clock of this name, of the same pack, was fulfilled.
    After(String),
}

/// How long a case of this kind may take; absent parts fit all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub category: Option<String>,
    pub priority: Option<Priority>,
    pub span: Span,
}

/// A length of time as norms and promises state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Time at work.
    Working(Duration),
    /// Whole working days, the first not counted.
    WorkingDays(u16),
    /// Whole days, the first not counted; the last ends at midnight.
    Calendar { months: u16, days: u16 },
}

/// When to remind the owner before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reminder {
    /// When this many per cent of the working time have passed.
    Share(u8),
    Before(Duration),
}

/// Whom to tell after the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escalation {
    pub after: Duration,
    pub to: Audience,
}

/// A clock of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    pub pack: String,
    pub name: String,
    pub kind: ClockKind,
    pub started: Moment,
    pub state: State,
    /// Where [`Reminder::Share`]s fall, by their place in the spec.
    shares: Vec<Option<Moment>>,
}

/// How a clock stands. Whether a running one is overdue depends on what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running {
        due: Moment,
    },
    /// Resting, with this much working time left.
    Paused {
        since: Moment,
        left: Duration,
    },
    Ended {
        at: Moment,
        late: bool,
    },
}

/// Somebody is to be told, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Unlike all other steps of the case; part of what makes it happen once.
    pub name: String,
    /// Comes before the deadline; once that has passed, the escalation speaks instead.
    pub reminder: bool,
    pub at: Moment,
    pub to: Audience,
}

impl Clock {
    /// The deadline that somebody still has to keep.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        match self.state {
            State::Running { due } => Some(due),
            State::Paused { .. } | State::Ended { .. } => None,
        }
    }
}

/// The clocks of a case of `entity`, from its events in order.
#[must_use]
pub fn clocks(packs: &[Pack], events: &[Event], entity: &str, time: &WorkingTime) -> Vec<Clock> {
    let history = History::of(events);
    let applying = packs.iter().filter(|pack| history.applies(pack, entity));
    applying
        .flat_map(|pack| pack.clocks.iter().filter_map(|spec| clock(pack, spec, &history, time)))
        .collect()
}

/// Whom to tell of a clock, and when. `pressing` cases are told of at night too.
#[must_use]
pub fn steps(spec: &Spec, clock: &Clock, pressing: bool, time: &WorkingTime) -> Vec<Step> {
    let Some(due) = clock.due() else { return Vec::new() };
    let awake = |at: Moment| if pressing { at } else { time.next_working(at).unwrap_or(at) };
    let before = spec.reminders.iter().enumerate().filter_map(|(place, reminder)| {
        let at = match reminder {
            Reminder::Before(span) => due.minus(*span),
            Reminder::Share(_) => clock.shares.get(place).copied().flatten()?,
        };
        // One that would come after the end is the escalation's.
        let at = awake(at.max(clock.started));
        (at < due).then(|| Step { name: format!("remind-{place}"), reminder: true, at, to: Audience::Owner })
    });
    let after = spec.escalation.iter().enumerate().map(|(place, escalation)| Step {
        name: format!("escalate-{place}"),
        reminder: false,
        at: awake(due.plus(escalation.after)),
        to: escalation.to,
    });
    before.chain(after).collect()
}

/// The events with their times in order, and what the case is in the end.
struct History<'a> {
    events: Vec<(Moment, &'a What)>,
    category: Option<&'a Category>,
    priority: Option<Priority>,
}

impl<'a> History<'a> {
    fn of(events: &'a [Event]) -> Self {
        let mut history = Self { events: Vec::with_capacity(events.len()), category: None, priority: None };
        let mut latest = Moment::from_micros(i64::MIN);
        for event in events {
            // A clock set back must not make time run backwards within a case.
            latest = latest.max(event.at);
            history.events.push((latest, &event.what));
            if let What::Sorted { category, priority } = &event.what {
                (history.category, history.priority) = (Some(category), Some(*priority));
            }
        }
        history
    }

    fn applies(&self, pack: &Pack, entity: &str) -> bool {
        let said = self.events.iter().rev().find_map(|(_, what)| match what {
            What::Norm { pack: name, applies } if *name == pack.name => Some(*applies),
            _ => None,
        });
        said.unwrap_or_else(|| {
            let category = self.category.is_some_and(|category| listed(&pack.categories, category.as_str()));
            !pack.by_hand && category && listed(&pack.entities, entity)
        })
    }

    fn first(&self, wanted: Happening) -> Option<Moment> {
        let found =
            self.events.iter().find(|(_, what)| matches!(what, What::Happened(one) if *one == wanted));
        found.map(|(at, _)| *at)
    }

    fn start(&self, pack: &Pack, start: &Start) -> Option<Moment> {
        match start {
            Start::When(happening) => self.first(*happening),
            Start::After(clock) => {
                let done = self.events.iter().find(|(_, what)| matches!(what, What::Fulfilled { pack: of, clock: done } if *of == pack.name && done == clock));
                done.map(|(at, _)| *at)
            }
        }
    }

    fn target(&self, spec: &Spec) -> Option<Span> {
        let fits = |target: &&Target| {
            let category = target.category.as_deref();
            category.is_none_or(|wanted| self.category.is_some_and(|category| category.as_str() == wanted))
                && target.priority.is_none_or(|wanted| self.priority == Some(wanted))
        };
        spec.targets.iter().find(fits).map(|target| target.span)
    }
}

fn listed(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|one| one == name)
}

fn clock(pack: &Pack, spec: &Spec, history: &History<'_>, time: &WorkingTime) -> Option<Clock> {
    let target = history.target(spec)?;
    let (started, state, shares) = match (pack.kind, target) {
        (ClockKind::Service, Span::Working(target)) => {
            let started = history.start(pack, &spec.starts)?;
            let runs = Runs::of(spec, history, started);
            let share = |reminder: &Reminder| match reminder {
                Reminder::Share(percent) => runs.reached(target * u32::from(*percent) / 100, time),
                Reminder::Before(_) => None,
            };
            (started, runs.state(target, time), spec.reminders.iter().map(share).collect())
        }
        (_, target) => {
            let (started, state) = statutory(pack, spec, target, history, time)?;
            (started, state, Vec::new())
        }
    };
    Some(Clock { pack: pack.name.clone(), name: spec.name.clone(), kind: pack.kind, started, state, shares })
}

/// When a service clock ran, and whether something ended it.
struct Runs {
    /// Start and end of each run; the last may be open.
    runs: Vec<(Moment, Option<Moment>)>,
    ended: Option<Moment>,
}

impl Runs {
    fn of(spec: &Spec, history: &History<'_>, started: Moment) -> Self {
        let mut runs = vec![(started, None)];
        let mut ended = None;
        for (at, what) in history.events.iter().filter(|(at, _)| *at >= started) {
            let What::Happened(what) = what else { continue };
            let open = runs.last_mut().filter(|(_, end)| end.is_none());
            if spec.ends.contains(what) {
                if let Some((_, end)) = open {
                    *end = Some(*at);
                }
                ended = ended.or(Some(*at));
            } else if *what == Happening::Reopened
                && ended.is_some()
                && spec.ends.contains(&Happening::Resolved)
            {
                ended = None;
                runs.push((*at, None));
            } else if *what == Happening::Waiting {
                if let Some((_, end)) = open {
                    *end = Some(*at);
                }
            } else if matches!(what, Happening::Resumed | Happening::Reopened)
                && open.is_none()
                && ended.is_none()
            {
                runs.push((*at, None));
            }
        }
        Self { runs, ended }
    }

    fn state(&self, target: Duration, time: &WorkingTime) -> State {
        let due = self.reached(target, time);
        match (self.ended, due) {
            (Some(at), due) => State::Ended { at, late: due.is_some_and(|due| due < at) },
            (None, Some(due)) => State::Running { due },
            (None, None) => {
                let since = self.runs.last().and_then(|(_, end)| *end).unwrap_or_default();
                State::Paused { since, left: target.saturating_sub(self.used(time)) }
            }
        }
    }

    /// The moment by which `span` of working time has passed in these runs.
    fn reached(&self, span: Duration, time: &WorkingTime) -> Option<Moment> {
        let mut left = span;
        for (start, end) in &self.runs {
            let here = end.map(|end| time.between(*start, end));
            match here {
                Some(here) if here < left => left -= here,
                _ => return time.after(*start, left),
            }
        }
        None
    }

    fn used(&self, time: &WorkingTime) -> Duration {
        self.runs.iter().filter_map(|(start, end)| end.map(|end| time.between(*start, end))).sum()
    }
}

fn statutory(
    pack: &Pack,
    spec: &Spec,
    target: Span,
    history: &History<'_>,
    time: &WorkingTime,
) -> Option<(Moment, State)> {
    let received = history.first(Happening::Received)?;
    let regular =
        history.start(pack, &spec.starts).and_then(|start| Some((start, end_of(target, start, time)?)));
    let latest = spec.at_the_latest.and_then(|span| Some((received, end_of(span, received, time)?)));
    let (started, mut due) = regular.into_iter().chain(latest).min_by_key(|(_, due)| *due)?;
    let names = |what: &What, is: fn(&What) -> Option<(&String, &String)>| {
        is(what).is_some_and(|(of, clock)| *of == pack.name && *clock == spec.name)
    };
    if let Some(extension) = spec.extension
        && history.events.iter().any(|(_, what)| names(what, extended))
    {
        due = end_of(longer(target, extension), started, time)?;
    }
    let ends = |what: &What| match what {
        What::Happened(what) => spec.ends.contains(what),
        other => names(other, fulfilled),
    };
    let ended = history.events.iter().find(|(at, what)| *at >= started && ends(what));
    Some((started, ended.map_or(State::Running { due }, |(at, _)| State::Ended { at: *at, late: due < *at })))
}

fn extended(what: &What) -> Option<(&String, &String)> {
    match what {
        What::Extended { pack, clock } => Some((pack, clock)),
        _ => None,
    }
}

fn fulfilled(what: &What) -> Option<(&String, &String)> {
    match what {
        What::Fulfilled { pack, clock } => Some((pack, clock)),
        _ => None,
    }
}

fn end_of(span: Span, start: Moment, time: &WorkingTime) -> Option<Moment> {
    match span {
        Span::Working(span) => time.after(start, span),
        Span::WorkingDays(days) => time.after_working_days(start, days),
        Span::Calendar { months, days } => time.after_calendar(start, months, days),
    }
}

/// The same kind of span added; a norm extends in the unit it counts in.
fn longer(span: Span, by: Span) -> Span {
    match (span, by) {
        (Span::Working(a), Span::Working(b)) => Span::Working(a + b),
        (Span::WorkingDays(a), Span::WorkingDays(b)) => Span::WorkingDays(a.saturating_add(b)),
        (Span::Calendar { months, days }, Span::Calendar { months: more, days: further }) => {
            Span::Calendar { months: months.saturating_add(more), days: days.saturating_add(further) }
        }
        (span, _) => span,
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
