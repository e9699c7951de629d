//! Search over sealed text on the true register: what is found, by whom, and what the index gives away. The same on
//! both databases.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use caseward::case::actor::Role;
use caseward::case::{Actor, Reference, Sensitivity, User};
use caseward::desk::DeskError;
use caseward::desk::answer::WriteNote;
use caseward::desk::change::{Base, Change, Changes};
use caseward::desk::search::{IndexCases, find, guarded, holds};
use caseward::search::Query;
use caseward::store::rows::CaseRow;
use caseward::store::tx::{CaseFilter, SearchFilter};
use support::app::Database;
use support::office::{Office, by_hand};

impl Office {
    async fn index(&self) {
        while self.run(IndexCases).await.unwrap() > 0 {}
    }

    async fn taken_down(&self, user: &User, sensitivity: Sensitivity, subject: &str, text: &str) -> CaseRow {
        self.run(by_hand(user, sensitivity, subject, text)).await.unwrap()
    }

    /// What `user` finds, newest first.
    async fn found(&self, user: &User, question: &str) -> Vec<Reference> {
        let query: Query = question.parse().unwrap();
        let shared = std::sync::Arc::clone(&self.register.shared);
        let lookup = shared.vault.lookup();
        let base = CaseFilter {
            visible_to: user.clone(),
            now: shared.now(),
            status: query.status,
            category: query.category.clone(),
            sensitivity: None,
            priority: None,
            owner: query.owner.as_ref().map(|_| user.id),
            team: None,
            triage: None,
            after: None,
            limit: 50,
        };
        let filter = SearchFilter {
            base,
            opened_before: query.before,
            opened_from: query.after,
            from_addresses: query.from_address.iter().map(|address| lookup.address(address)).collect(),
        };
        let found: Result<_, DeskError> = self
            .register
            .store
            .read(move |tx| {
                let vault = &shared.vault;
                let hits = guarded(tx, vault, &query, &filter)?;
                let rows = find(tx, vault, &query, &filter, &hits)?;
                let mut kept = Vec::new();
                for row in rows {
                    if holds(tx, vault, &query, &row)? {
                        kept.push(row.reference);
                    }
                }
                Ok(kept)
            })
            .await;
        found.unwrap()
    }

    async fn rows(&self, case: &CaseRow) -> usize {
        let id = case.id;
        let all = self.read(move |tx| tx.words_of(id)).await;
        all.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_found_by_whom_it_is_for() {
    for database in [Database::Sqlite, Database::Postgres] {
        let office = Office::open(database).await;
        let anna = office.user("anna", &[Role::Agent]).await;
        let bert = office.user("bert", &[Role::Agent]).await;
        let lead = office.user("lead", &[Role::Lead]).await;
        let overtime = office
            .taken_down(&anna, Sensitivity::Standard, "Overtime of May", "The payslips are wrong.")
            .await;
        let secret = office
            .taken_down(&anna, Sensitivity::Confidential, "Overtime again", "A grievance about payslips.")
            .await;
        let hidden = office
            .taken_down(&anna, Sensitivity::Restricted, "Overtime and harassment", "Quite terrible.")
            .await;
        assert!(
            office.found(&anna, "overtime").await.is_empty(),
            "nothing is indexed before it is committed"
        );
        office.index().await;
        let of = |cases: &[&CaseRow]| cases.iter().map(|case| case.reference).collect::<Vec<_>>();
        for (user, question, wanted) in [
            (&anna, "overtime", of(&[&hidden, &secret, &overtime])),
            (&anna, "PAYSLIP", of(&[&secret, &overtime])),
            (&bert, "overtime", of(&[&overtime])),
            (&lead, "overtime", of(&[&secret, &overtime])),
            (&bert, "grievance", of(&[])),
            (&anna, "overti*", of(&[&overtime])),
            (&anna, "overtimeless*", of(&[])),
            (&anna, "\"overtime of may\"", of(&[&overtime])),
            (&anna, "\"may overtime\"", of(&[])),
            (
                &anna,
                "overtime category:payroll after:2025-01-01 before:2030-01-01",
                of(&[&hidden, &secret, &overtime]),
            ),
            (&anna, "overtime before:2025-01-01", of(&[])),
            (&anna, "from:pat@employee.example payslips", of(&[&secret, &overtime])),
            (&anna, "from:nobody@employee.example", of(&[])),
            (&anna, "pat terrible", of(&[&hidden])),
            (&anna, "overtime payslips grievance", of(&[&secret])),
        ] {
            assert_eq!(office.found(user, question).await, wanted, "{database:?}: {question}");
        }
        let note = WriteNote {
            actor: Actor::User(anna.clone()),
            case: overtime.id,
            version: None,
            text: "Called the provider.".into(),
        };
        office.run(note).await.unwrap();
        office.index().await;
        assert_eq!(office.found(&bert, "provider").await, of(&[&overtime]));

        // Raising moves the words under the case's own key, at once.
        let version = office
            .read({
                let id = overtime.id;
                move |tx| tx.case(id)
            })
            .await
            .unwrap()
            .version;
        let raise = Change {
            actor: Actor::User(anna.clone()),
            case: overtime.id,
            base: Base::Version(version),
            changes: Changes { sensitivity: Some(Sensitivity::Restricted), ..Changes::default() },
        };
        office.run(raise).await.unwrap();
        assert_eq!(office.rows(&overtime).await, 0);
        office.index().await;
        assert!(office.rows(&overtime).await > 0);
        assert!(office.found(&bert, "provider").await.is_empty());
        assert_eq!(office.found(&anna, "provider").await, of(&[&overtime]));
        assert!(office.found(&anna, "provid*").await.is_empty(), "no beginnings");
        office.register.close().await;
    }
}

/// Two restricted cases with the same words have no row in common, and none with a standard one.
#[tokio::test(flavor = "multi_thread")]
async fn the_index_of_guarded_cases_cannot_be_compared() {
    let office = Office::open(Database::Sqlite).await;
    let anna = office.user("anna", &[Role::Agent]).await;
    let mut all = Vec::new();
    let mut count = 0;
    for sensitivity in
        [Sensitivity::Standard, Sensitivity::Confidential, Sensitivity::Restricted, Sensitivity::Restricted]
    {
        let case = office.taken_down(&anna, sensitivity, "The very same words", "and text").await;
        office.index().await;
        let rows = office.read(move |tx| tx.words_of(case.id)).await;
        count += rows.len();
        all.extend(rows);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    office.register.close().await;
}
