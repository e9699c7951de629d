use jiff::civil::date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::case::working_time::{Holiday, Hours};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn office() -> WorkingTime {
    let day = vec![Hours::new(9 * 60, 17 * 60).unwrap()];
    let off = Vec::new();
    WorkingTime {
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        week: [day.clone(), day.clone(), day.clone(), day.clone(), day, off.clone(), off],
        holidays: vec![Holiday::On(date(2026, 5, 1))],
    }
}

fn at(text: &str) -> Moment {
    format!("{text}[Europe/Berlin]").parse::<jiff::Zoned>().unwrap().timestamp().into()
}

fn happened(time: &str, what: Happening) -> Event {
    Event { at: at(time), what: What::Happened(what) }
}

fn sorted(time: &str, category: &str, priority: Priority) -> Event {
    Event { at: at(time), what: What::Sorted { category: category.parse().unwrap(), priority } }
}

fn spec(name: &str, starts: Happening, ends: &[Happening], span: Span) -> Spec {
    Spec {
        name: name.into(),
        source: String::new(),
        starts: Start::When(starts),
        ends: ends.to_vec(),
        targets: vec![Target { category: None, priority: None, span }],
        at_the_latest: None,
        extension: None,
        reminders: Vec::new(),
        escalation: Vec::new(),
    }
}

fn pack(name: &str, kind: ClockKind, clocks: Vec<Spec>) -> Pack {
    Pack {
        name: name.into(),
        kind,
        source: String::new(),
        categories: Vec::new(),
        by_hand: false,
        entities: Vec::new(),
        clocks,
    }
}

fn service() -> Pack {
    let working = |hours: u32| Span::Working(HOUR * hours);
    let mut first =
        spec("first-response", Happening::Received, &[Happening::Answered, Happening::Resolved], working(16));
    first.targets.insert(0, Target { category: None, priority: Some(Priority::High), span: working(4) });
    first.reminders = vec![Reminder::Share(75)];
    first.escalation = vec![
        Escalation { after: Duration::ZERO, to: Audience::Owner },
        Escalation { after: DAY, to: Audience::Lead },
    ];
    let resolution = spec("resolution", Happening::Received, &[Happening::Resolved], working(40));
    pack("service", ClockKind::Service, vec![first, resolution])
}

fn whistleblowing() -> Pack {
    let days = |months, days| Span::Calendar { months, days };
    let acknowledge = spec("acknowledge", Happening::Received, &[Happening::Acknowledged], days(0, 7));
    let mut feedback = spec("feedback", Happening::Acknowledged, &[], days(3, 0));
    feedback.at_the_latest = Some(days(3, 7));
    feedback.extension = Some(days(3, 0));
    let mut pack = pack("norm", ClockKind::Statutory, vec![acknowledge, feedback]);
    pack.categories = vec!["compliance".into()];
    pack
}

fn found(packs: &[Pack], events: &[Event], name: &str) -> Clock {
    let clocks = clocks(packs, events, "", &office());
    clocks.into_iter().find(|clock| clock.name == name).unwrap_or_else(|| panic!("no clock {name}"))
}

#[test]
fn a_service_clock_rests_while_the_employee_is_asked() {
    // 16 working hours from Monday noon: 5 on Monday, 8 on Tuesday, 3 on Wednesday.
    let mut events = vec![
        sorted("2026-03-02T12:00", "leave", Priority::Normal),
        happened("2026-03-02T12:00", Happening::Received),
    ];
    assert_eq!(found(&[service()], &events, "first-response").due(), Some(at("2026-03-04T12:00")));

    events.push(happened("2026-03-03T10:00", Happening::Waiting));
    let paused = found(&[service()], &events, "resolution");
    assert_eq!(paused.state, State::Paused { since: at("2026-03-03T10:00"), left: HOUR * 34 });
    assert_eq!(paused.due(), None);

    events.push(happened("2026-03-09T09:00", Happening::Resumed));
    assert_eq!(found(&[service()], &events, "resolution").due(), Some(at("2026-03-13T11:00")));

    events.push(happened("2026-03-10T09:00", Happening::Resolved));
    let ended = found(&[service()], &events, "resolution");
    assert_eq!(ended.state, State::Ended { at: at("2026-03-10T09:00"), late: false });
    events.push(happened("2026-03-11T09:00", Happening::Reopened));
    assert_eq!(found(&[service()], &events, "resolution").due(), Some(at("2026-03-16T11:00")));
}

#[test]
fn a_higher_priority_shortens_the_clock_from_its_start() {
    let mut events = vec![
        sorted("2026-03-02T09:00", "leave", Priority::Normal),
        happened("2026-03-02T09:00", Happening::Received),
    ];
    events.push(sorted("2026-03-03T09:00", "leave", Priority::High));
    assert_eq!(found(&[service()], &events, "first-response").due(), Some(at("2026-03-02T13:00")));
}

#[test]
fn an_acknowledgement_is_no_first_response() {
    let events = [
        sorted("2026-03-02T09:00", "leave", Priority::Normal),
        happened("2026-03-02T09:00", Happening::Received),
        happened("2026-03-02T09:01", Happening::Acknowledged),
    ];
    assert!(matches!(found(&[service()], &events, "first-response").state, State::Running { .. }));
}

#[test]
fn a_statutory_clock_runs_from_receipt_and_never_rests() {
    let mut events = vec![
        sorted("2026-03-02T12:00", "general", Priority::Normal),
        happened("2026-03-02T12:00", Happening::Received),
        happened("2026-03-05T12:00", Happening::Waiting),
    ];
    assert!(clocks(&[whistleblowing()], &events, "", &office()).is_empty());
    // Recognised ten days later: it is overdue already.
    events.push(sorted("2026-03-12T12:00", "compliance", Priority::High));
    assert_eq!(found(&[whistleblowing()], &events, "acknowledge").due(), Some(at("2026-03-10T00:00")));
    assert_eq!(found(&[whistleblowing()], &events, "feedback").due(), Some(at("2026-06-10T00:00")));

    events.push(happened("2026-03-12T13:00", Happening::Acknowledged));
    let met = found(&[whistleblowing()], &events, "acknowledge");
    assert_eq!(met.state, State::Ended { at: at("2026-03-12T13:00"), late: true });
    // Three months from a late acknowledgement would be later than the latest day.
    assert_eq!(found(&[whistleblowing()], &events, "feedback").due(), Some(at("2026-06-10T00:00")));

    let named = |what: fn(String, String) -> What| Event {
        at: at("2026-04-01T12:00"),
        what: what("norm".into(), "feedback".into()),
    };
    events.push(named(|pack, clock| What::Extended { pack, clock }));
    assert_eq!(found(&[whistleblowing()], &events, "feedback").due(), Some(at("2026-09-03T00:00")));
    events.push(named(|pack, clock| What::Fulfilled { pack, clock }));
    assert!(matches!(found(&[whistleblowing()], &events, "feedback").state, State::Ended { .. }));
}

#[test]
fn a_person_may_find_that_a_norm_applies_or_does_not() {
    let mut events = vec![
        sorted("2026-03-02T12:00", "general", Priority::Normal),
        happened("2026-03-02T12:00", Happening::Received),
    ];
    let norm =
        |applies| Event { at: at("2026-03-03T12:00"), what: What::Norm { pack: "norm".into(), applies } };
    events.push(norm(true));
    assert_eq!(clocks(&[whistleblowing()], &events, "", &office()).len(), 2);
    events.push(norm(false));
    assert!(clocks(&[whistleblowing()], &events, "", &office()).is_empty());
}

#[test]
fn steps_wait_for_the_morning_unless_the_case_is_pressing() {
    let events = [
        sorted("2026-03-02T12:00", "leave", Priority::Normal),
        happened("2026-03-02T12:00", Happening::Received),
    ];
    let pack = service();
    let clock = found(std::slice::from_ref(&pack), &events, "first-response");
    let told = |pressing| -> Vec<_> {
        let steps = steps(&pack.clocks[0], &clock, pressing, &office());
        steps.into_iter().map(|step| (step.name, step.at, step.to)).collect()
    };
    // 75 % of 16 hours is 12: Tuesday at four.
    let expected = vec![
        ("remind-0".into(), at("2026-03-03T16:00"), Audience::Owner),
        ("escalate-0".into(), at("2026-03-04T12:00"), Audience::Owner),
        ("escalate-1".into(), at("2026-03-05T12:00"), Audience::Lead),
    ];
    assert_eq!(told(false), expected);
    let night =
        Step { name: "escalate-0".into(), reminder: false, at: at("2026-03-10T09:00"), to: Audience::Owner };
    let mut spec = whistleblowing().clocks.remove(0);
    spec.escalation = vec![Escalation { after: Duration::ZERO, to: Audience::Owner }];
    let events = [
        sorted("2026-03-02T12:00", "compliance", Priority::High),
        happened("2026-03-02T12:00", Happening::Received),
    ];
    let clock = found(&[whistleblowing()], &events, "acknowledge");
    assert_eq!(steps(&spec, &clock, false, &office()), std::slice::from_ref(&night));
    assert_eq!(steps(&spec, &clock, true, &office()), [Step { at: at("2026-03-10T00:00"), ..night }]);
}

fn any_event() -> impl Strategy<Value = What> {
    let norm = |clock: &str| ("norm".to_owned(), clock.to_owned());
    prop_oneof![
        6 => proptest::sample::select(Happening::ALL).prop_map(What::Happened),
        2 => (proptest::sample::select(vec!["leave", "compliance"]), proptest::sample::select(Priority::ALL))
            .prop_map(|(category, priority)| What::Sorted { category: category.parse().unwrap(), priority }),
        1 => any::<bool>().prop_map(|applies| What::Norm { pack: "norm".into(), applies }),
        1 => Just(norm("feedback")).prop_map(|(pack, clock)| What::Extended { pack, clock }),
        1 => Just(norm("feedback")).prop_map(|(pack, clock)| What::Fulfilled { pack, clock }),
    ]
}

proptest! {
    /// However the clock on the wall jumped between events, no deadline lies before its start, no event of waiting moves
    /// a statutory clock, and a paused clock has no deadline.
    #[test]
    fn clocks_keep_their_promises(whats in proptest::collection::vec((any_event(), -200i64..2_000), 0..30)) {
        let start = at("2026-03-02T09:00");
        let mut events = vec![
            sorted("2026-03-02T09:00", "leave", Priority::Normal),
            happened("2026-03-02T09:00", Happening::Received),
        ];
        let mut now = start.micros();
        for (what, minutes) in whats {
            now += minutes * 60_000_000;
            events.push(Event { at: Moment::from_micros(now), what });
        }
        let packs = [service(), whistleblowing()];
        let found = clocks(&packs, &events, "", &office());
        for clock in &found {
            prop_assert!(clock.started >= start);
            if let Some(due) = clock.due() {
                prop_assert!(due >= clock.started);
            }
        }
        let restless: Vec<_> = events
            .iter()
            .filter(|event| !matches!(event.what, What::Happened(Happening::Waiting | Happening::Resumed)))
            .cloned()
            .collect();
        let statutory = |clocks: Vec<Clock>| -> Vec<(String, Option<Moment>)> {
            let kept = clocks.into_iter().filter(|clock| clock.kind == ClockKind::Statutory);
            kept.map(|clock| { let due = clock.due(); (clock.name, due) }).collect()
        };
        // Times are made monotonic over all events; the same must hold for what is left.
        let monotonic = events.windows(2).all(|pair| pair[0].at <= pair[1].at);
        if monotonic {
            prop_assert_eq!(statutory(found), statutory(clocks(&packs, &restless, "", &office())));
        }
    }
}
