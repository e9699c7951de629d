//! The right case: which mails join one, which open another, and what a copy of a mail may still change. Every line
//! of it on both databases; the mails are handed to the desk as a mailbox's task would.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use caseward::case::{Actor, CaseId, MessageKind, Reference, Sensitivity, Status, Trust};
use caseward::desk::answer::Answer;
use caseward::desk::change::{Base, Change, Changes};
use caseward::desk::hold::Release;
use caseward::desk::receive::Became;
use caseward::store::rows::{CaseRow, Held, LinkRow, RegisterState};
use proptest::test_runner::{Config, TestRunner};
use support::app::Database;
use support::intake::{Intake, proved};

on_both! {
    who_may_join_and_by_what => joining;
    two_people_who_answer_the_same_mail_have_two_cases => broadcast;
    parents_may_come_late_or_never => late_parents;
    circles_of_references_end => cycles;
    nobody_becomes_a_party_by_a_copy => carbon_copy;
    a_message_id_names_no_mail => message_ids;
    of_two_mailboxes_the_stricter_rules_win => stricter;
    a_better_copy_brings_a_mail_home => better_copy;
    a_better_copy_of_bulk_mail_opens_a_case => better_bulk;
    what_people_worked_on_is_not_undone => worked_on;
    automatic_mail_joins_by_the_same_rules => automatic;
    who_is_answered_may_answer => released;
}

const ANNA: &str = "anna@candidates.test";
const BOB: &str = "bob@candidates.test";
const NOSY: &str = "nosy@elsewhere.example";

fn unique(word: &str) -> String {
    format!("{word}-{}", uuid::Uuid::now_v7().simple())
}

/// A mail from `from`; `fields` are further header lines.
fn mail(id: &str, from: &str, subject: &str, fields: &str) -> String {
    format!(
        "Message-ID: <{id}@mail.test>\nFrom: {from}\nTo: hr@hr.test\nSubject: {subject}\n{fields}\n\
         Hello, my payslip for May is missing. {id}\n"
    )
}

fn failed(mail: &str) -> String {
    format!("Authentication-Results: mx.hr.test; dmarc=fail header.from=candidates.test\n{mail}")
}

fn header(mail: &str, name: &str) -> String {
    let message = mail_parser::MessageParser::default().parse(mail.as_bytes()).expect("a mail");
    message.header_raw(name).unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
}

/// A case of Anna's with what was told to her, closed.
struct Known {
    case: CaseRow,
    first: String,
    acknowledgement: String,
    token: String,
}

async fn known(intake: &Intake) -> Known {
    let first = unique("first");
    let became = intake.arrive(&proved(&mail(&first, ANNA, "My payslip", ""))).await;
    assert!(became.opened);
    let case = intake.case(became.case.unwrap()).await;
    let sent = intake.sent(case.id).await;
    assert_eq!(sent.len(), 1);
    let reply_to = header(&sent[0], "Reply-To");
    let token = reply_to.rsplit_once('<').map_or(reply_to.as_str(), |(_, rest)| rest).trim_end_matches('>');
    let close = Change {
        actor: Actor::System,
        case: case.id,
        base: Base::Version(case.version),
        changes: Changes { status: Some(Status::Closed), ..Changes::default() },
    };
    let case = intake.register.desk.run(close).await.expect("closed");
    Known {
        case,
        first: format!("<{first}@mail.test>"),
        acknowledgement: header(&sent[0], "Message-ID"),
        token: token.to_owned(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Pass,
    None,
    Fail,
}

/// What ties a mail to the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tie {
    OldSubject,
    Reference,
    Guess,
    OurId,
    OurIdInReferences,
    TheirId,
    TheirIdInReferences,
    Token,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Joins,
    JoinsFlagged,
    NewCase,
    NewCaseLinked,
}

fn tied(known: &Known, tie: Tie, from: &str) -> String {
    let id = unique("reply");
    let subject = match tie {
        Tie::OldSubject => "Re: My payslip".to_owned(),
        Tie::Reference | Tie::All => format!("Re: [{}] something", known.case.reference),
        Tie::Guess => format!("Re: [{}]", Reference::from_random(uuid::Uuid::now_v7().as_u128() as u64)),
        _ => "Something else entirely".to_owned(),
    };
    let (ours, first) = (&known.acknowledgement, &known.first);
    let fields = match tie {
        Tie::OurId => format!("In-Reply-To: {ours}\n"),
        Tie::OurIdInReferences => format!("References: <x@mail.test> {ours}\n"),
        Tie::TheirId => format!("In-Reply-To: {first}\n"),
        Tie::TheirIdInReferences => format!("References: {first}\n <y@mail.test>\n"),
        Tie::Token => format!("Cc: {}\n", known.token),
        Tie::All => format!("In-Reply-To: {ours}\nReferences: {first} {ours}\nCc: {}\n", known.token),
        Tie::OldSubject | Tie::Reference | Tie::Guess => String::new(),
    };
    mail(&id, from, &subject, &fields)
}

async fn joining(database: Database) {
    use Fate::{Joins, JoinsFlagged, NewCase, NewCaseLinked};
    use Proof::{Fail, None, Pass};
    let intake = Intake::open(database, |_| {}).await;
    let private = "anna.private@candidates.test";
    for (from, proof, tie, fate) in [
        (ANNA, Pass, Tie::Token, Joins),
        (ANNA, Pass, Tie::OurId, Joins),
        (ANNA, Pass, Tie::OurIdInReferences, Joins),
        (ANNA, Pass, Tie::TheirId, Joins),
        (ANNA, Pass, Tie::TheirIdInReferences, Joins),
        (ANNA, Pass, Tie::Reference, Joins),
        ("Anna <ANNA@Candidates.test>", Pass, Tie::Reference, Joins),
        // The same person by the directory.
        (private, Pass, Tie::Reference, Joins),
        (private, Pass, Tie::TheirId, Joins),
        // Nothing ties it: old subjects are no reason.
        (ANNA, Pass, Tie::OldSubject, NewCase),
        (ANNA, Pass, Tie::Guess, NewCase),
        (NOSY, Pass, Tie::Guess, NewCase),
        // No result at all: only what we alone told her, and flagged.
        (ANNA, None, Tie::Token, JoinsFlagged),
        (ANNA, None, Tie::OurId, JoinsFlagged),
        (ANNA, None, Tie::OurIdInReferences, JoinsFlagged),
        (ANNA, None, Tie::TheirId, NewCaseLinked),
        (ANNA, None, Tie::Reference, NewCaseLinked),
        (private, None, Tie::Token, NewCaseLinked),
        // Forged.
        (ANNA, Fail, Tie::All, NewCaseLinked),
        (ANNA, Fail, Tie::Token, NewCaseLinked),
        (ANNA, Fail, Tie::Reference, NewCaseLinked),
        // Somebody else, with everything copied or forwarded.
        (BOB, Pass, Tie::All, NewCaseLinked),
        (BOB, Pass, Tie::Token, NewCaseLinked),
        (BOB, Pass, Tie::Reference, NewCaseLinked),
        (NOSY, Pass, Tie::All, NewCaseLinked),
        (NOSY, None, Tie::Token, NewCaseLinked),
        (NOSY, Pass, Tie::TheirId, NewCaseLinked),
    ] {
        let what = format!("{from} {proof:?} {tie:?}");
        let known = known(&intake).await;
        let plain = tied(&known, tie, from);
        let raw = match proof {
            Pass => proved(&plain),
            None => plain,
            Fail => failed(&plain),
        };
        let became = intake.arrive(&raw).await;
        let (joined, flagged) = match fate {
            Joins => (true, false),
            JoinsFlagged => (true, true),
            NewCase | NewCaseLinked => (false, false),
        };
        assert_eq!((became.case == Some(known.case.id), became.opened), (joined, !joined), "{what}");
        let old = intake.case(known.case.id).await;
        assert_eq!(old.status, if joined { Status::Open } else { Status::Closed }, "{what}");
        assert_eq!(old.version > known.case.version, joined, "{what}: it learns of nothing");
        let messages = intake.messages(became.case.unwrap()).await;
        let message = messages.iter().find(|row| Some(row.id) == became.message).expect("the message");
        assert_eq!(message.reason.is_some(), flagged, "{what}");
        let id = became.case.unwrap();
        let links = intake.read(move |tx| tx.links_of(id)).await;
        let linked = links.iter().any(|link| {
            link.to_case == known.case.id && link.from_case == id && link.kind == LinkRow::MAY_BELONG
        });
        assert_eq!(linked, fate == NewCaseLinked, "{what}");
        if joined {
            // In their own conversation, and in nobody else's.
            let first = messages.iter().find(|row| row.kind == MessageKind::MailIn).unwrap();
            assert_eq!(message.conversation_id, first.conversation_id, "{what}");
            continue;
        }
        // What a stranger is told says nothing of the case.
        for told in intake.sent(id).await {
            assert!(!told.contains(&known.case.reference.to_string()), "{what}: {told}");
        }
    }
    intake.register.close().await;
}

async fn broadcast(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    // A mail that we never had, and one that lies in a case of its own.
    let ours = unique("ceo");
    intake.arrive(&proved(&mail(&ours, "away@candidates.test", "To all of you", ""))).await;
    for broadcast in [unique("never-seen"), ours] {
        let answer = async |from: &str| {
            let fields =
                format!("In-Reply-To: <{broadcast}@mail.test>\nReferences: <{broadcast}@mail.test>\n");
            intake.arrive(&proved(&mail(&unique("answer"), from, "Re: To all of you", &fields))).await
        };
        let (anna, bob) = (answer(ANNA).await, answer(BOB).await);
        assert!(anna.opened && bob.opened && anna.case != bob.case);
    }
    intake.register.close().await;
}

async fn late_parents(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let (root, middle, leaf) = (unique("root"), unique("middle"), unique("leaf"));
    let refers = |ids: &[&String]| {
        let ids: Vec<String> = ids.iter().map(|id| format!("<{id}@mail.test>")).collect();
        format!("References: {}\n", ids.join("\n "))
    };
    let leaf = intake.arrive(&proved(&mail(&leaf, ANNA, "Re: Re: x", &refers(&[&root, &middle])))).await;
    let middle = intake.arrive(&proved(&mail(&middle, ANNA, "Re: x", &refers(&[&root])))).await;
    let stranger = intake.arrive(&proved(&mail(&root, BOB, "x", ""))).await;
    let own = intake.arrive(&proved(&mail(&root, ANNA, "x", ""))).await;
    assert!(leaf.opened && !middle.opened && !own.opened);
    assert_eq!((middle.case, own.case), (leaf.case, leaf.case), "a late parent joins its child");
    assert!(stranger.opened, "but not another person's parent, whatever its Message-ID");
    // The acknowledgement went out once, to the first that came.
    assert_eq!(intake.sent(leaf.case.unwrap()).await.len(), 1);
    intake.register.close().await;
}

async fn cycles(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let (one, two, itself) = (unique("one"), unique("two"), unique("itself"));
    let to = |id: &str| format!("In-Reply-To: <{id}@mail.test>\n");
    let first = intake.arrive(&proved(&mail(&one, ANNA, "x", &to(&two)))).await;
    let second = intake.arrive(&proved(&mail(&two, ANNA, "x", &to(&one)))).await;
    assert_eq!(first.case, second.case);
    let alone = intake.arrive(&proved(&mail(&itself, ANNA, "x", &to(&itself)))).await;
    assert!(alone.opened);
    // More references than anybody reads: the newest count.
    let many: String = (0..500).map(|number| format!(" <{number}-{one}@mail.test>\n")).collect();
    let fields = format!("References: <far@mail.test>\n{many} <{itself}@mail.test>\n");
    let third = intake.arrive(&proved(&mail(&unique("many"), ANNA, "x", &fields))).await;
    assert_eq!(third.case, alone.case);
    intake.register.close().await;
}

async fn carbon_copy(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let id = unique("cc");
    let became = intake.arrive(&proved(&mail(&id, ANNA, "x", &format!("Cc: {BOB}, {NOSY}\n")))).await;
    let case = became.case.unwrap();
    assert_eq!(intake.read(move |tx| tx.parties_of(case)).await.len(), 1);
    let reply = mail(&unique("reply"), BOB, "Re: x", &format!("In-Reply-To: <{id}@mail.test>\n"));
    let reply = intake.arrive(&proved(&reply)).await;
    assert!(reply.opened && reply.case != Some(case));
    intake.register.close().await;
}

async fn message_ids(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let again = async |raw: &str| {
        let (first, second) = (intake.arrive(raw).await, intake.arrive(&format!("X-Trace: 2\n{raw}")).await);
        assert_eq!(first.message, second.message, "{raw}");
        assert_eq!(second.state, RegisterState::Duplicate, "{raw}");
        first
    };
    let id = unique("same");
    let one = proved(&mail(&id, ANNA, "One thing", ""));
    let other = one.replace("payslip for May", "payslip for June");
    let (one, other) = (again(&one).await, again(&other).await);
    assert_ne!(one.message, other.message, "other content under the same Message-ID is another mail");
    // None, an absurd one, and the same absurd one from everybody.
    for field in [
        "",
        "Message-ID: <>\n",
        "Message-ID: \n",
        "Message-ID: <a b c @@ d>\n",
        "Message-ID: <1@localhost>\n",
    ] {
        let raw = |from: &str| {
            proved(&format!(
                "{field}From: {from}\nTo: hr@hr.test\nSubject: x\n\nMy payslip. {}\n",
                unique("b")
            ))
        };
        let (anna, bob) = (again(&raw(ANNA)).await, again(&raw(BOB)).await);
        assert_ne!(anna.message, bob.message, "{field}");
        assert_ne!(anna.case, bob.case, "{field}");
    }
    intake.register.close().await;
}

async fn stricter(database: Database) {
    let intake =
        Intake::open(database, |settings| settings.mailboxes[1].sensitivity = Sensitivity::Restricted).await;
    let raw = proved(&mail(&unique("both"), ANNA, "My payslip", ""));
    let first = intake.arrive_in(0, &raw, true).await;
    let case = first.case.unwrap();
    assert_eq!(intake.case(case).await.sensitivity, Sensitivity::Standard);
    let second = intake.arrive_in(1, &format!("Received: from x by y\nX-Other: 1\n{raw}"), true).await;
    assert_eq!((second.state, second.case), (RegisterState::Duplicate, Some(case)));
    assert_eq!(intake.case(case).await.sensitivity, Sensitivity::Restricted, "nobody else may see it now");
    assert_eq!(intake.sent(case).await.len(), 1, "acknowledged once");
    let version = intake.case(case).await.version;
    intake.arrive_in(0, &raw, true).await;
    intake.arrive_in(1, &raw, true).await;
    assert_eq!(intake.case(case).await.version, version, "nothing is left to change");
    // The other way round.
    let raw = proved(&mail(&unique("both"), ANNA, "My payslip", ""));
    let first = intake.arrive_in(1, &raw, true).await;
    intake.arrive_in(0, &raw, true).await;
    assert_eq!(intake.case(first.case.unwrap()).await.sensitivity, Sensitivity::Restricted);
    intake.register.close().await;
}

async fn better_copy(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let known = known(&intake).await;
    let raw = tied(&known, Tie::Reference, ANNA);
    let apart = intake.arrive_in(1, &raw, true).await;
    assert!(apart.opened, "not proved, so it may not join");
    let told = header(&intake.sent(apart.case.unwrap()).await[0], "Message-ID");
    let reference = intake.case(apart.case.unwrap()).await.reference;
    let home = intake.arrive(&proved(&raw)).await;
    assert_eq!(
        (home.state, home.message, home.case),
        (RegisterState::Duplicate, apart.message, Some(known.case.id))
    );
    let messages = intake.messages(known.case.id).await;
    let message = messages.iter().find(|row| Some(row.id) == apart.message).expect("it came home");
    assert_eq!(message.trust, Some(Trust::Employee));
    assert!(messages.iter().all(|row| row.conversation_id == messages[0].conversation_id));
    assert_eq!(intake.sent(known.case.id).await.len(), 2, "with its acknowledgement, which still opens");
    assert_eq!(intake.messages(apart.case.unwrap()).await.len(), 0);
    assert_eq!(intake.case(apart.case.unwrap()).await.status, Status::Closed);
    // What was told to her leads home: the acknowledgement and the reference in it.
    for fields in [format!("In-Reply-To: {told}\n"), String::new()] {
        let subject = if fields.is_empty() { format!("Re: [{reference}]") } else { "Re:".into() };
        let reply = intake.arrive(&proved(&mail(&unique("reply"), ANNA, &subject, &fields))).await;
        assert_eq!(reply.case, Some(known.case.id), "{subject}");
    }
    // Once more changes nothing.
    let version = intake.case(known.case.id).await.version;
    intake.arrive(&proved(&raw)).await;
    assert_eq!(intake.case(known.case.id).await.version, version);

    // A mail with no other home: what is known of its sender grows, and it is still acknowledged once.
    let raw = mail(&unique("alone"), ANNA, "x", "");
    let first = intake.arrive(&raw).await;
    let case = first.case.unwrap();
    assert_eq!(intake.messages(case).await[0].trust, Some(Trust::Unverified));
    let second = intake.arrive(&proved(&raw)).await;
    assert_eq!(second.case, Some(case));
    let trust = intake.messages(case).await.iter().find(|row| row.kind == MessageKind::MailIn).unwrap().trust;
    assert_eq!(trust, Some(Trust::Employee));
    assert!(intake.read(move |tx| tx.parties_of(case)).await[0].person_id.is_some());
    assert_eq!(intake.sent(case).await.len(), 1);
    // A worse copy lowers nothing.
    intake.arrive(&failed(&raw)).await;
    let trust = intake.messages(case).await.iter().find(|row| row.kind == MessageKind::MailIn).unwrap().trust;
    assert_eq!(trust, Some(Trust::Employee));
    intake.register.close().await;
}

async fn better_bulk(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let raw = mail(&unique("list"), ANNA, "x", "List-Id: <all.candidates.test>\nPrecedence: bulk\n");
    let held = intake.arrive(&raw).await;
    assert_eq!((held.state, held.case), (RegisterState::Automatic, None));
    assert_eq!(intake.read(|tx| tx.count_held(Held::Automatic)).await, 1);
    let better = intake.arrive(&proved(&raw)).await;
    assert_eq!(better.message, held.message);
    let case = better.case.expect("a case");
    assert_eq!(intake.messages(case).await.len(), 1, "bulk mail is not acknowledged");
    assert_eq!(intake.read(|tx| tx.count_held(Held::Automatic)).await, 0);
    intake.register.close().await;
}

async fn worked_on(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let known = known(&intake).await;
    let raw = tied(&known, Tie::Reference, ANNA);
    let apart = intake.arrive(&raw).await;
    let case = intake.case(apart.case.unwrap()).await;
    let open = Change {
        actor: Actor::System,
        case: case.id,
        base: Base::Version(case.version),
        changes: Changes { status: Some(Status::Open), ..Changes::default() },
    };
    intake.register.desk.run(open).await.expect("opened");
    let better = intake.arrive(&proved(&raw)).await;
    assert_eq!(better.case, Some(case.id), "somebody works on it: it stays");
    let trust =
        intake.messages(case.id).await.iter().find(|row| row.kind == MessageKind::MailIn).unwrap().trust;
    assert_eq!(trust, Some(Trust::Employee));
    intake.register.close().await;
}

async fn automatic(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    for (from, proof, tie, joins) in [
        (ANNA, Proof::Pass, Tie::Token, true),
        (ANNA, Proof::None, Tie::OurId, true),
        (ANNA, Proof::Pass, Tie::Reference, true),
        (ANNA, Proof::None, Tie::Reference, false),
        (ANNA, Proof::Fail, Tie::All, false),
        (NOSY, Proof::Pass, Tie::All, false),
    ] {
        let known = known(&intake).await;
        let plain = format!("Auto-Submitted: auto-replied\n{}", tied(&known, tie, from));
        let raw = match proof {
            Proof::Pass => proved(&plain),
            Proof::None => plain,
            Proof::Fail => failed(&plain),
        };
        let became = intake.arrive(&raw).await;
        let what = format!("{from} {proof:?} {tie:?}");
        assert_eq!(became.state, RegisterState::Automatic, "{what}");
        assert_eq!(became.case, joins.then_some(known.case.id), "{what}");
        assert_eq!(intake.case(known.case.id).await.status, Status::Closed, "{what}: it opens nothing");
        assert_eq!(intake.sent(known.case.id).await.len(), 1, "{what}: it is not answered");
    }
    intake.register.close().await;
}

/// A mail released from quarantine has a reporter whom nobody confirmed. HR answers, and the answer to that joins.
async fn released(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let first = unique("held");
    let mut arrived = intake.prepare(0, &mail(&first, ANNA, "My payslip", ""), true);
    arrived.quarantine = Some("a test");
    let held = intake.take_in(arrived).await;
    assert_eq!(held.state, RegisterState::Quarantined);
    let release =
        Release { actor: Actor::System, message: held.message.unwrap(), reason: "It is fine.".into() };
    let case = intake.register.desk.run(release).await.expect("released");
    let early = mail(&unique("early"), ANNA, "x", &format!("In-Reply-To: <{first}@mail.test>\n"));
    assert!(intake.arrive(&proved(&early)).await.opened, "nobody has confirmed her yet");
    let answer = Answer {
        actor: Actor::System,
        case,
        version: None,
        party: None,
        text: "We look into it.".into(),
        attachments: Vec::new(),
    };
    intake.register.desk.run(answer).await.expect("answered");
    let told = header(&intake.sent(case).await[0], "Message-ID");
    let reply = |from: &str| mail(&unique("reply"), from, "Re:", &format!("In-Reply-To: {told}\n"));
    assert!(intake.arrive(&failed(&reply(ANNA))).await.opened, "forged");
    assert!(intake.arrive(&reply(ANNA)).await.opened, "not proved");
    assert!(intake.arrive(&proved(&reply(BOB))).await.opened, "not whom we wrote to");
    assert_eq!(intake.arrive(&proved(&reply(ANNA))).await.case, Some(case));
    intake.register.close().await;
}

/// Whatever copies of a mail arrive where and in which order, one acknowledgement at most.
#[test]
fn a_mail_is_acknowledged_at_most_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let intake = runtime.block_on(Intake::open(Database::Sqlite, |settings| {
        settings.mailboxes[1].sensitivity = Sensitivity::Confidential;
        settings.smtp.automatic_per_recipient_per_day = 10_000;
    }));
    let copies = proptest::collection::vec((0..2usize, 0..3u8, proptest::bool::ANY), 1..7);
    let froms = proptest::sample::select(vec![ANNA, BOB, NOSY]);
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(froms, copies, proptest::bool::ANY), |(from, copies, bulk)| {
        let fields = if bulk { "Precedence: bulk\n" } else { "" };
        let raw = mail(&unique("copy"), from, "x", fields);
        let became: Vec<Became> = copies
            .iter()
            .map(|(mailbox, proof, acknowledge)| {
                let raw = match proof {
                    0 => raw.clone(),
                    1 => proved(&raw),
                    _ => failed(&raw),
                };
                runtime.block_on(intake.arrive_in(*mailbox, &raw, *acknowledge))
            })
            .collect();
        let messages: std::collections::HashSet<_> = became.iter().map(|one| one.message).collect();
        assert_eq!(messages.len(), 1, "one mail, one message");
        let cases: std::collections::HashSet<CaseId> = became.iter().filter_map(|one| one.case).collect();
        assert!(cases.len() <= 1, "one mail, one case");
        for case in cases {
            let sent = runtime.block_on(intake.sent(case)).len();
            assert!(sent <= 1, "{sent} acknowledgements");
            assert!(sent == 0 || copies.iter().any(|(.., acknowledge)| *acknowledge));
        }
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(intake.register.close());
}
