//! The clocks of a case at work: noting what moves them, telling people what is due, and what a person may do to a
//! statutory one. What a clock is follows from [`crate::case::clock`] alone.

use super::context::{Context, DeskError};
use super::runner::Action;
use super::users::login_hash;
use crate::case::access::Access;
use crate::case::actor::Role;
use crate::case::clock::{self, Audience, Clock, ClockKind, Event, Pack, Spec, State, Step, What};
use crate::case::working_time::WorkingTime;
use crate::case::{Actor, CaseId, Moment, Priority, UserId};
use crate::letters::Kind;
use crate::store::rows::{CaseRow, EventRow};

/// Cases looked at in one transaction.
const AT_ONCE: i64 = 20;

/// A clock with what it was made from.
pub struct Wound<'a> {
    pub clock: Clock,
    pub pack: &'a Pack,
    pub spec: &'a Spec,
}

impl Context<'_> {
    /// Notes what happened to a case and winds its clocks anew. Its receipt counts from when it reached us, all else
    /// from now.
    pub fn happened(&mut self, case: &mut CaseRow, whats: &[What]) -> Result<(), DeskError> {
        let mut events = self.tx.events_of(case.id)?;
        for what in whats {
            let row = EventRow {
                case_id: case.id,
                seq: events.last().map_or(1, |last| last.seq + 1),
                version: case.version,
                at: if events.is_empty() { case.opened_at } else { self.now },
                what: what.clone(),
            };
            self.tx.insert_event(&row)?;
            events.push(row);
        }
        self.wind(case, events)
    }

    /// Sets the deadline that lists show and the timer.
    fn wind(&mut self, case: &mut CaseRow, events: Vec<EventRow>) -> Result<(), DeskError> {
        let time = working_time(self, case);
        let wound = clocks_of(self, case, events, time);
        case.next_deadline = wound.iter().filter_map(|wound| wound.clock.due()).min();
        self.tx.set_deadline(case.id, case.next_deadline)?;
        let done = self.tx.reminded(case.id)?;
        let mut next: Option<Moment> = None;
        for wound in &wound {
            for step in waiting(wound, case, time) {
                if !done.contains(&key(wound, &step)) {
                    next = Some(next.map_or(step.at, |next| next.min(step.at)));
                }
            }
        }
        Ok(self.tx.set_timer(case.id, next)?)
    }
}

/// The clocks of a case by the packs in force. For reading too.
#[must_use]
pub fn clocks_of<'a>(
    cx: &Context<'a>,
    case: &CaseRow,
    events: Vec<EventRow>,
    time: &WorkingTime,
) -> Vec<Wound<'a>> {
    let events: Vec<Event> = events.into_iter().map(|row| Event { at: row.at, what: row.what }).collect();
    let packs = cx.settings.clocks.packs.iter().filter_map(|name| cx.shared.calendars.packs.get(name));
    packs
        .map(|pack| &pack.value)
        .flat_map(|pack| {
            let clocks = clock::clocks(std::slice::from_ref(pack), &events, &case.legal_entity, time);
            clocks.into_iter().filter_map(move |clock| {
                let spec = pack.clocks.iter().find(|spec| spec.name == clock.name)?;
                Some(Wound { clock, pack, spec })
            })
        })
        .collect()
}

/// When the case's team works.
#[must_use]
pub fn working_time<'a>(cx: &Context<'a>, case: &CaseRow) -> &'a WorkingTime {
    let team = cx.settings.teams.iter().find(|team| team.name == case.team);
    cx.shared.calendars.time(team.and_then(|team| team.calendar.as_deref()))
}

/// The steps of a clock that are still to come or were missed. A promise is not reminded of for the time before the
/// case was here: old mail taken in would wake everybody.
fn waiting(wound: &Wound<'_>, case: &CaseRow, time: &WorkingTime) -> Vec<Step> {
    let pressing = case.priority == Priority::Urgent;
    let mut steps = clock::steps(wound.spec, &wound.clock, pressing, time);
    if wound.pack.kind == ClockKind::Service {
        steps.retain(|step| step.at >= case.created_at);
    }
    steps
}

/// What makes a step happen once: a deadline that moved is reminded of again.
fn key(wound: &Wound<'_>, step: &Step) -> (String, Moment) {
    let due = wound.clock.due().unwrap_or_default();
    (format!("{}/{}/{}", wound.pack.name, wound.clock.name, step.name), due)
}

/// Looks at the cases whose timer ran out, and tells who is to be told. Done by whichever daemon comes first.
pub struct Tick;

impl Action for Tick {
    /// How many cases were looked at.
    type Output = usize;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "clock.tick"
    }

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<usize, DeskError> {
        let due = cx.tx.due_timers(cx.now, AT_ONCE)?;
        for id in &due {
            let Some(mut case) = cx.tx.case(*id)? else { continue };
            let events = cx.tx.events_of(*id)?;
            let time = working_time(cx, &case);
            for wound in clocks_of(cx, &case, events.clone(), time) {
                let now = cx.now;
                for step in waiting(&wound, &case, time).into_iter().filter(|step| step.at <= now) {
                    take(cx, &case, &wound, &step)?;
                }
            }
            cx.wind(&mut case, events)?;
        }
        Ok(due.len())
    }
}

fn take(cx: &mut Context<'_>, case: &CaseRow, wound: &Wound<'_>, step: &Step) -> Result<(), DeskError> {
    let (name, due) = key(wound, step);
    if !cx.tx.remember_reminder(case.id, &name, due, cx.now)? {
        return Ok(());
    }
    if step.reminder && due <= cx.now {
        return Ok(());
    }
    let kind = if step.reminder { Kind::Reminder } else { Kind::Overdue };
    let told = tell(cx, case, step.to, kind)?;
    if told.is_empty() {
        tracing::warn!(case = %case.reference, clock = wound.clock.name, "a deadline is near or past, and nobody can be told by mail");
    }
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    let details = serde_json::json!({ "step": name, "due": due.to_string(), "told": told });
    cx.record(&Actor::System, "clock.reminded", Some(case), &details)
}

/// Tells the audience; where nobody of it can be told, the next one up.
fn tell(cx: &mut Context<'_>, case: &CaseRow, first: Audience, kind: Kind) -> Result<Vec<UserId>, DeskError> {
    for audience in Audience::ALL.iter().filter(|audience| **audience >= first) {
        let mut told = Vec::new();
        for user in members(cx, case, *audience)? {
            if cx.notify(user, kind, Some(case))?.is_some() {
                told.push(user);
            }
        }
        if !told.is_empty() {
            return Ok(told);
        }
    }
    Ok(Vec::new())
}

fn members(cx: &mut Context<'_>, case: &CaseRow, audience: Audience) -> Result<Vec<UserId>, DeskError> {
    Ok(match audience {
        Audience::Owner => case.owner_id.into_iter().collect(),
        Audience::Lead => {
            let users = cx.tx.users(None, i64::MAX)?.into_iter();
            let leads = users.filter(|user| user.roles.has(Role::Lead) && user.teams.0.contains(&case.team));
            leads.map(|user| user.id).collect()
        }
        Audience::Head => {
            let mut head = Vec::new();
            for login in &cx.settings.clocks.head {
                let hash = login_hash(cx.vault(), login);
                head.extend(cx.tx.user_by_login(hash)?.map(|user| user.id));
            }
            head
        }
    })
}

/// What a person does to a statutory clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The norm applies to this case, or does not.
    Norm { applies: bool },
    /// Its demand was met.
    Fulfil { clock: String },
    /// The norm's own extension is used.
    Extend { clock: String },
}

/// Moves a statutory clock by an event that its norm names. The reason is the proof, and stands in the audit log.
pub struct MoveClock {
    pub actor: Actor,
    pub case: CaseId,
    pub version: i64,
    pub pack: String,
    pub deed: Deed,
    pub reason: String,
}

impl Action for MoveClock {
    type Output = CaseRow;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "clock.move"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<CaseRow, DeskError> {
        let mut case = cx.case_for(&self.actor, self.case, Access::Work)?;
        if case.version != self.version {
            return Err(DeskError::Conflict);
        }
        if self.reason.trim().is_empty() {
            return Err(DeskError::Invalid("give a reason; it stands in the audit log as the proof".into()));
        }
        let what = self.what(cx, &case)?;
        cx.advance(&mut case)?;
        cx.happened(&mut case, std::slice::from_ref(&what))?;
        let details = serde_json::json!({ "what": what, "reason": self.reason });
        cx.record(&self.actor, "clock.moved", Some(&case), &details)?;
        Ok(case)
    }
}

impl MoveClock {
    fn what(&self, cx: &mut Context<'_>, case: &CaseRow) -> Result<What, DeskError> {
        let in_force = cx.settings.clocks.packs.contains(&self.pack);
        let pack = cx.shared.calendars.packs.get(&self.pack).filter(|_| in_force);
        if pack.is_none_or(|pack| pack.value.kind != ClockKind::Statutory) {
            return Err(DeskError::Invalid(
                "no such statutory clocks are in force; see `clocks.packs`".into(),
            ));
        }
        let clock = match &self.deed {
            Deed::Norm { applies } => {
                return Ok(What::Norm { pack: self.pack.clone(), applies: *applies });
            }
            Deed::Fulfil { clock } | Deed::Extend { clock } => clock,
        };
        let events = cx.tx.events_of(case.id)?;
        let extended = What::Extended { pack: self.pack.clone(), clock: clock.clone() };
        let already = events.iter().any(|event| event.what == extended);
        let wound = clocks_of(cx, case, events, working_time(cx, case));
        let running = wound.iter().find(|wound| {
            wound.pack.name == self.pack
                && wound.clock.name == *clock
                && matches!(wound.clock.state, State::Running { .. })
        });
        let Some(running) = running else {
            return Err(DeskError::Invalid("this clock does not run in this case".into()));
        };
        match &self.deed {
            Deed::Extend { .. } if already || running.spec.extension.is_none() => {
                Err(DeskError::Invalid("the norm allows no further extension of this clock".into()))
            }
            Deed::Extend { .. } => Ok(extended),
            _ => Ok(What::Fulfilled { pack: self.pack.clone(), clock: clock.clone() }),
        }
    }
}
